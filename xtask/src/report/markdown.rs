//! `report.md`
