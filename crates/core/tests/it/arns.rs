//! Tests whether two patterns of ARNs overlap, against all short texts.

use mlops_roles_core::iam::arn::{matches, overlap};

/// All texts of these characters, up to this length.
fn texts(characters: &str, most: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut longest = all.clone();
    for _ in 0..most {
        longest = longest.iter().flat_map(|text| characters.chars().map(move |c| format!("{text}{c}"))).collect();
        all.extend(longest.clone());
    }
    all
}

#[test]
fn patterns_overlap_where_one_text_matches_both() {
    let (patterns, texts) = (texts("a*?b", 4), texts("ab", 6));
    let mut overlapping = 0;
    for one in &patterns {
        let of_one: Vec<&String> = texts.iter().filter(|text| matches(one, text)).collect();
        for other in &patterns {
            let found = of_one.iter().any(|text| matches(other, text));
            assert_eq!(overlap(one, other), found, "{one} and {other}");
            overlapping += usize::from(found);
        }
    }
    assert!(overlapping > 10_000, "{overlapping}");
}

#[test]
fn long_patterns_are_compared_in_time() {
    let stars = "*".repeat(4_000);
    assert!(overlap(&stars, "a/churn*") && !overlap(&format!("{stars}x"), "a/churny"));
    assert!(!overlap(&"a*".repeat(2_000), &"b*".repeat(50)));
}
