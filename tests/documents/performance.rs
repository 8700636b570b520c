//! The interval that `ci/bench` gives with a ratio, as docs/performance.md promises it.

use std::process::Command;

use super::root;

/// What a script prints that has everything of `ci/bench.d/ratios.py`.
#[track_caller]
fn printed(script: &str) -> String {
    let python = Command::new("python3")
        .args(["-B", "-c", &format!("from ratios import *\n{script}")])
        .env("PYTHONPATH", root().join("ci/bench.d"))
        .output()
        .expect("python3 is installed (ci/setup)");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    String::from_utf8_lossy(&python.stdout).trim().to_owned()
}

/// The rounds, which of the sorted ratios is the lower end, and the level in per cent, as in tables of the sign test.
const INTERVALS: &[(u32, usize, &str)] = &[
    (1, 1, "0.00"),
    (3, 1, "75.00"),
    (5, 1, "93.75"),
    (6, 1, "96.88"),
    (8, 1, "99.22"),
    (9, 2, "96.09"),
    (20, 6, "95.86"),
    (40, 14, "96.15"),
];

#[test]
fn an_interval_is_as_narrow_as_95_per_cent_allow_and_says_its_level() {
    for (rounds, rank, level) in INTERVALS {
        let said = printed(&format!(
            "print(rank_of_interval({rounds}), f'{{100 * reached({rounds}):.2f}}')"
        ));

        assert_eq!(said, format!("{rank} {level}"), "{rounds} rounds");
    }
}

#[test]
fn the_level_is_how_often_ratios_on_either_side_of_the_median_enclose_it() {
    let rounds = 9;
    // Whether each ratio lies below the true median; the second lowest and the second highest are the ends.
    let enclose = |below: u32| (2..=rounds - 2).contains(&below);
    let hits = (0..1u32 << rounds).filter(|sides| enclose(sides.count_ones())).count();

    let said = printed(&format!("print(round(reached({rounds}) * 2 ** {rounds}))"));

    assert_eq!(said, hits.to_string());
}

#[test]
fn a_ratio_is_the_median_and_no_difference_if_its_interval_has_1_in_it() {
    let of = |ratios: &str| {
        printed(&format!(
            "r = ratio([{ratios}])\nprint(r.median, r.low, r.high, r.is_difference())"
        ))
    };

    // Of nine, the lowest and the highest are left out.
    assert_eq!(of("0.97, 0.9, 0.5, 0.91, 0.92, 0.96, 0.93, 0.94, 2"), "0.93 0.9 0.97 True");
    assert_eq!(of("1.01, 0.9, 0.5, 0.91, 0.92, 0.96, 0.93, 0.94, 2"), "0.93 0.9 1.01 False");
    assert_eq!(of("1.1, 1.3, 1.2"), "1.2 1.1 1.3 True");
    assert_eq!(of("1, 1.3"), "1.15 1 1.3 False");
    assert_eq!(of("0.8"), "0.8 0.8 0.8 True");
}
