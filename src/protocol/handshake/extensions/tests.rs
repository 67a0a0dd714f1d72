use proptest::prelude::*;

use super::*;

fn parsed(line: &str) -> Option<Vec<naive::NaiveExtension>> {
    let fast = extensions([line].into_iter())
        .map(|extension| {
            let extension = extension.ok()?;
            let params = extension.params().map(|(name, value)| {
                let value = value.map(|value| value.bytes().map(char::from).collect());
                (name.to_owned(), value)
            });
            Some((extension.name.to_owned(), params.collect()))
        })
        .collect::<Option<Vec<_>>>();
    assert_eq!(fast, naive::parse(line), "{line:?}");
    fast
}

#[test]
fn reads_the_examples_of_rfc_6455_section_9_1() {
    for (line, names) in [
        ("foo", &["foo"][..]),
        ("bar; baz=2", &["bar"]),
        ("foo, bar; baz=2", &["foo", "bar"]),
        ("deflate-stream", &["deflate-stream"]),
        ("mux; max-channels=4; flow-control, deflate-stream", &["mux", "deflate-stream"]),
        ("private-extension", &["private-extension"]),
    ] {
        let extensions = parsed(line).expect("it is an example");
        assert_eq!(extensions.iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
    }
    let text = String::from;
    assert_eq!(
        parsed(" mux ;\tmax-channels = \"\\4\" ; flow-control ,, "),
        Some(vec![(
            text("mux"),
            vec![(text("max-channels"), Some(text("4"))), (text("flow-control"), None)]
        )])
    );
}

#[test]
fn refuses_what_breaks_the_grammar() {
    for line in [
        ";",
        "=",
        "a b",
        "a;",
        "a;;b",
        "a; b=",
        "a; =b",
        "a=b",
        "a; b=c d",
        "a; b c",
        "a; b=c=d",
        "\"a\"",
        "a; \"b\"",
        "a; b=\"\"",
        "a; b=\"c",
        "a; b=\"c d\"",
        "a; b=\"c\\\"",
        "a; b=\"c\\\\\"",
        "a; b=\"c\"d",
        "a; b=\"c,d\"",
        "ä",
        "a; b=ä",
        "a; b=\"ä\"",
        "a(b)",
    ] {
        assert_eq!(parsed(line), None, "{line:?}");
    }
    for nothing in ["", " ", ",", " ,\t, "] {
        assert_eq!(parsed(nothing), Some(Vec::new()));
    }
}

#[test]
fn after_an_error_nothing_follows_of_its_line() {
    let mut all = extensions(["a, b c, d", "e"].into_iter());
    assert_eq!(all.next().map(|one| one.map(|one| one.name)), Some(Ok("a")));
    assert_eq!(all.next(), Some(Err(ExtensionsMalformed)));
    assert_eq!(all.next().map(|one| one.map(|one| one.name)), Some(Ok("e")));
    assert_eq!(all.next(), None);
}

proptest! {
    #[test]
    fn agrees_with_the_twin(line in "[ab1 ;,=\"\\\\\tä]{0,24}") {
        let _ = parsed(&line);
    }

    #[test]
    fn agrees_with_the_twin_on_what_is_almost_right(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", "permessage-deflate", "; ", " ;b", "; c=1", "; d = \"2\"", "; e=\"\\3\"", ", ",
            ",", "=", "\"", "\\", " ",
        ]), 0..12),
    ) {
        let _ = parsed(&parts.concat());
    }
}
