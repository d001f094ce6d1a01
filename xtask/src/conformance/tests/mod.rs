mod reference;

use std::net::TcpListener;
use std::thread;

use super::*;
use reference::{Fault, Reference};

const MOMENT: Duration = Duration::from_millis(100);

fn miss(case: &str) -> Miss {
    Miss { case: case.to_owned(), reason: "as it is".to_owned() }
}

fn assert_misses(fault: Option<Fault>, cases: &[&str]) {
    let server = Reference::start(fault);
    let results = check("ping", server.address(), &[]).expect("a scenario");
    let seen: Vec<_> = results.iter().filter(|r| r.miss.is_some()).collect();
    let missed: Vec<_> = seen.iter().map(|result| result.case.as_str()).collect();
    assert_eq!(missed, cases, "{seen:#?}");
}

#[test]
fn a_correct_server_does_everything() {
    assert_misses(None, &[]);
}

/// The cases in which a correct answer is asked for.
const ANSWERED: &[&str] = &[
    "echo",
    "split",
    "pipeline",
    "keep-alive",
    "alive-after-bad",
    "white-space",
    "u64-max",
    "content-type-charset",
    "largest-body",
    "chunked",
    "expect-continue",
    "head",
    "http10",
    "connection-close",
    "many-headers",
    "large-header",
    "bad-content-length",
];

macro_rules! faults {
    ($($name:ident: $fault:ident misses $cases:expr;)*) => {$(
        #[test]
        fn $name() {
            assert_misses(Some(Fault::$fault), $cases);
        }
    )*};
}

faults! {
    wrong_number: WrongNumber misses ANSWERED;
    spaced_body: SpacedBody misses ANSWERED;
    answers_500: Answers500 misses ANSWERED;
    constant_answer: Constant misses ANSWERED;
    text_answer: TextAnswer misses &["echo"];
    reads_once: ReadsOnce misses &["split", "pipeline", "largest-body", "chunked", "expect-continue"];
    wants_body_with_head: WantsBodyWithHead misses &["split", "expect-continue"];
    drops_pipelined: DropsPipelined misses &["pipeline"];
    answers_in_reverse: AnswersInReverse misses &["pipeline"];
    loses_half_a_request: LosesHalfARequest misses &["pipeline"];
    answers_twice: AnswersTwice misses &["pipeline", "keep-alive", "head", "http10", "connection-close"];
    extra_line: ExtraLine misses &["pipeline", "keep-alive", "head", "http10", "connection-close"];
    closes_after_each: ClosesAfterEach misses &["pipeline", "keep-alive"];
    stops_after_50: StopsAfter50 misses &["keep-alive"];
    takes_trailing_junk: TakesTrailingJunk misses &["bad-json"];
    doubles: Doubles misses &["number-range", "u64-max"];
    case_insensitive_fields: CaseInsensitiveFields misses &["missing-field"];
    no_white_space: NoWhiteSpace misses &["white-space", "largest-body"];
    exact_content_type: ExactContentType misses &["content-type-charset"];
    any_content_type: AnyContentType misses &["wrong-content-type", "missing-content-type"];
    no_type_is_json: NoTypeIsJson misses &["missing-content-type"];
    any_path: AnyPath misses &["not-found"];
    path_prefix: PathPrefix misses &["not-found"];
    any_method: AnyMethod misses &["method-not-allowed"];
    no_body_limit: NoBodyLimit misses &["too-large"];
    small_body_limit: SmallBodyLimit misses &["largest-body"];
    resets_when_too_large: ResetsWhenTooLarge misses &["too-large"];
    no_date: NoDate misses &["date"];
    stale_date: StaleDate misses &["date"];
    old_date_format: OldDateFormat misses &["date"];
    chunked_answers: ChunkedAnswers misses &["content-length", "http10"];
    body_until_close: BodyUntilClose misses &["pipeline", "keep-alive", "content-length"];
    short_content_length: ShortContentLength misses ANSWERED;
    no_chunked_requests: NoChunkedRequests misses &["chunked"];
    no_continue: NoContinue misses &["expect-continue"];
    head_with_body: HeadWithBody misses &["head"];
    never_closes: NeverCloses misses &["http10", "connection-close"];
    few_headers: FewHeaders misses &["many-headers"];
    small_head: SmallHead misses &["large-header"];
    silent_on_garbage: SilentOnGarbage misses &["malformed-request"];
    answers_500_on_garbage: Answers500OnGarbage misses &["malformed-request"];
    ignores_bad_length: IgnoresBadLength misses &["bad-content-length"];
}

#[test]
fn only_the_cases_after_its_death_blame_a_server_for_it() {
    assert_misses(
        Some(Fault::DiesOnBadLength),
        &["alive-after-bad", "malformed-request", "bad-content-length"],
    );
}

#[test]
fn what_was_seen_is_said() {
    let server = Reference::start(Some(Fault::WrongNumber));
    let results = check("ping", server.address(), &[]).expect("a scenario");
    assert_eq!(
        results[0].miss.as_deref(),
        Some(r#"0: answered `{"sequence":1}` instead of `{"sequence":0}`"#)
    );
}

#[test]
fn a_server_is_ready_when_its_answer_is_correct() {
    let correct = Reference::start(None);
    assert_eq!(ready("ping", correct.address(), MOMENT * 10), Ok(()));
}

#[test]
fn a_wrong_answer_is_told_from_none() {
    for fault in [Fault::WrongNumber, Fault::Answers500] {
        let server = Reference::start(Some(fault));
        let wrong = ready("ping", server.address(), MOMENT * 10).expect_err("wrong");
        assert!(matches!(wrong, NotReady::Wrong(_)), "{wrong}");
    }

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let silent = ready("ping", address, MOMENT).expect_err("nothing accepts");
    assert!(matches!(silent, NotReady::NoAnswer(_)), "{silent}");

    drop(listener);
    let refused = ready("ping", address, MOMENT).expect_err("nothing listens");
    assert!(matches!(refused, NotReady::NoAnswer(_)), "{refused}");
}

#[test]
fn a_server_that_speaks_something_else_is_wrong_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.6\r\n").expect("open");
        // Until the client is gone.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let wrong = ready("ping", address, MOMENT * 10).expect_err("no HTTP");
    assert!(matches!(wrong, NotReady::Wrong(_)), "{wrong}");
}

#[test]
fn an_unknown_scenario_names_the_known_ones() {
    let unknown = check("pong", ([127, 0, 0, 1], 1).into(), &[]).expect_err("unknown");
    assert_eq!(unknown.to_string(), "there is no scenario `pong`; there is: ping");
}

#[test]
fn every_case_has_a_name_of_its_own() {
    for scenario in SCENARIOS {
        assert!(scenarios().contains(&scenario.name));
        for (index, case) in scenario.cases.iter().enumerate() {
            let same = |other: &Case| other.name == case.name;
            assert!(!scenario.cases[..index].iter().any(same), "{}", case.name);
        }
    }
    assert_eq!(scenarios().len(), SCENARIOS.len());
    // What the driver can ask of a server, a server can be checked for.
    assert_eq!(scenarios(), driver::scenario::NAMES);
}

fn found(case: &str, level: Level, misses: bool, declared: bool) -> CaseResult {
    CaseResult {
        case: case.to_owned(),
        level,
        miss: misses.then(|| "silence".to_owned()),
        declared: declared.then(|| "as it is".to_owned()),
    }
}

#[test]
fn declarations_reach_their_cases() {
    let server = Reference::start(Some(Fault::NoDate));
    let results = check("ping", server.address(), &[miss("date")]).expect("a scenario");
    let date = results.iter().find(|r| r.case == "date").expect("a case");
    assert_eq!(date.declared.as_deref(), Some("as it is"));
    assert_eq!(date.miss.as_deref(), Some("no date header"));
    assert!(judge(&results, &[miss("date")]).problems().is_empty());
}

#[test]
fn verdicts() {
    use Level::{Required, Scored};
    let results = [
        found("echo", Required, false, false),
        found("split", Required, true, false),
        found("pipeline", Required, true, true),
        found("date", Scored, true, false),
        found("head", Scored, true, true),
        found("chunked", Scored, false, true),
    ];
    let misses = ["pipeline", "head", "chunked", "chunkd", "zzz"].map(miss);
    let verdict = judge(&results, &misses);
    assert_eq!(verdict.required, [&results[1], &results[2]]);
    assert_eq!(verdict.undeclared, [&results[3]]);
    assert_eq!(verdict.stale, [&results[5]]);
    assert!(!verdict.measurable() && !verdict.problems().is_empty());
    insta::assert_snapshot!(verdict.problems().join("\n"));
}

#[test]
fn a_declared_scored_miss_is_in_order() {
    let results =
        [found("echo", Level::Required, false, false), found("head", Level::Scored, true, true)];
    let misses = [miss("head")];
    let verdict = judge(&results, &misses);
    assert!(verdict.measurable() && verdict.problems().is_empty());
}
