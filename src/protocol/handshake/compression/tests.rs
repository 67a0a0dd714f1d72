use super::super::extensions::extensions;
use super::*;

/// The answer to a header with offers, of a server whose window has 12 bits.
fn answer(header: &str) -> Option<String> {
    let mut offers = extensions([header].into_iter()).map(|offer| offer.expect("well-formed"));
    let accepted = offers.find_map(|offer| accept(&offer, 12))?;
    let mut out = Vec::new();
    accepted.encode(&mut out);
    Some(String::from_utf8(out).unwrap())
}

#[test]
fn each_acceptance_is_without_context_takeover() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=\"8\"",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
    ] {
        assert_eq!(answer(offer).as_deref(), Some(OFFER), "{offer}");
    }
}

#[test]
fn a_limit_of_our_window_is_answered_with_our_window_if_it_is_no_smaller() {
    for bits in 12..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_eq!(answer(&offer), Some(format!("{OFFER}; server_max_window_bits=12")));
    }
    for bits in 8..=11 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_eq!(answer(&offer), None);
        // RFC 7692 section 5: the next offer is a fallback.
        assert_eq!(answer(&format!("{offer}, permessage-deflate")).as_deref(), Some(OFFER));
    }
    let nine = extensions(["permessage-deflate; server_max_window_bits=9"].into_iter());
    let mut out = Vec::new();
    accept(&nine.last().unwrap().unwrap(), 9).unwrap().encode(&mut out);
    assert!(out.ends_with(b"; server_max_window_bits=9"));
}

#[test]
fn an_offer_with_a_bad_parameter_is_declined() {
    for bad in [
        "deflate",
        "Permessage-Deflate",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=12",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=012",
        "permessage-deflate; server_max_window_bits=115",
        "permessage-deflate; server_max_window_bits=268",
        "permessage-deflate; server_max_window_bits=1x",
        "permessage-deflate; server_max_window_bits=+12",
        "permessage-deflate; server_max_window_bits=12; server_max_window_bits=12",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=12",
    ] {
        assert_eq!(answer(bad), None, "{bad}");
        assert!(answer(&format!("{bad}, permessage-deflate")).is_some(), "{bad}");
    }
}

#[test]
fn an_answer_must_fit_the_offer_of_this_client() {
    let fits = |answer: &str| {
        let mut answers = extensions([answer].into_iter()).map(Result::unwrap);
        answers.next().is_some_and(|answer| is_answer(&answer))
    };
    assert!(fits(OFFER));
    assert!(fits("permessage-deflate; server_no_context_takeover; server_max_window_bits=10"));
    for bad in [
        "",
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=12",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits",
        "permessage-bzip2; server_no_context_takeover",
    ] {
        assert!(!fits(bad), "{bad}");
    }
}
