//! Tests of the checks on system descriptions: the committed ones pass, each fault is named.

use super::*;

fn manifest() -> Manifest {
    Manifest::parse(include_str!("../../manifests/default.toml")).unwrap()
}

const STRICT: &str = include_str!("../../systems/strict.toml");
const FUSED: &str = include_str!("../../systems/fused.toml");
const BENCH: &str = include_str!("../../systems/bench.toml");

/// Parses the strict system with `from` replaced by `to`, which must be refused.
fn refusal(from: &str, to: &str) -> String {
    assert!(STRICT.contains(from), "the description has no {from:?} any more");
    parse("strict", &STRICT.replacen(from, to, 1), &manifest()).unwrap_err().to_string()
}

#[test]
fn the_committed_systems_are_accepted_and_come_back_from_their_encoding() {
    for (name, text) in [("strict", STRICT), ("fused", FUSED), ("bench", BENCH)] {
        let system = parse(name, text, &manifest()).unwrap();
        let bytes = encode(&system).unwrap();
        assert_eq!(postcard::from_bytes::<SystemDescription>(&bytes).unwrap(), system);
    }
}

#[test]
fn both_systems_give_the_same_authority_but_for_domains() {
    let holds = |name, text| {
        let all = authority(&parse(name, text, &manifest()).unwrap());
        all.lines().filter(|line| !line.contains(": domain ")).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(holds("strict", STRICT), holds("fused", FUSED));
}

#[test]
fn faults_are_refused_by_name() {
    assert!(refusal("name = \"strict\"", "name = \"fused\"").contains("`fused`"));
    assert!(refusal("priority", "prioritaet").contains("prioritaet"));
    assert_eq!(refusal("name = \"personality\"", "name = \"console\""), "`console` is named twice");
    assert_eq!(
        refusal("\"/servers/console\"", "\"/servers/nosuch\""),
        "console: bootfs has no `/servers/nosuch`"
    );
    assert_eq!(
        refusal(
            "server = \"console\", protocol = \"log\"",
            "server = \"nobody\", protocol = \"log\""
        ),
        "personality: `log` calls `nobody`, which does not serve Log"
    );
    assert_eq!(
        refusal("priority = 200", "priority = 1"),
        "personality: `console` calls `console`, which has a lower priority"
    );
    assert_eq!(
        refusal("what = \"rtc-registers\"", "what = \"uart-registers\""),
        "personality: `rtc.registers` is already held by another server"
    );
}
