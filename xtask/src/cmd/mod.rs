pub mod bench;
pub mod crosscheck;
pub mod doctor;
pub mod list;
pub mod report;
pub mod verify;
