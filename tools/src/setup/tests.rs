//! Tests of the set-up's decisions, on machines that are only facts.

use super::*;

fn compiler(path: &str, version: (u32, u32)) -> Compiler {
    Compiler { rustc: path.into(), version, ..Compiler::default() }
}

/// A bare Debian 12 with only rustup's compiler.
fn bare() -> Facts {
    Facts {
        compilers: vec![compiler("/rustup/rustc", (1, 95))],
        linker: Some("/rustup/rust-lld".into()),
        has_rustup: true,
        has_apt: true,
        is_root: true,
        ..Facts::default()
    }
}

fn packages(actions: &[Action]) -> Vec<&'static str> {
    let all = actions.iter().filter_map(|action| match action {
        Action::InstallPackages { packages, .. } => Some(packages.clone()),
        _ => None,
    });
    all.flatten().collect()
}

#[test]
fn a_machine_that_has_everything_needs_nothing() {
    let mut facts = Facts { has_qemu: true, ..bare() };
    facts.compilers[0].has_core = true;
    assert_eq!(plan(&facts), []);
    let toolchain = choose(&facts).unwrap();
    assert!(!toolchain.is_core_built);
}

#[test]
fn rustup_is_asked_first_and_the_distribution_second() {
    let mut facts = bare();
    let actions = plan(&facts);
    assert!(actions.contains(&Action::AddTarget));
    assert!(actions.contains(&Action::UpdateLists));
    assert_eq!(packages(&actions), ["qemu-system-arm", "ipxe-qemu"]);
    facts.has_rustup_failed = true;
    facts.has_qemu = true;
    let actions = plan(&facts);
    assert_eq!(actions[0], Action::UpdateLists);
    assert_eq!(packages(&actions), ["rustc-web", "cargo-web", "rust-web-src"]);
    assert_eq!(choose(&facts), None);
}

#[test]
fn a_core_library_that_is_there_is_preferred_to_building_one() {
    let mut facts = bare();
    facts.compilers.push(Compiler { has_sources: true, ..compiler("/usr/bin/rustc", (1, 96)) });
    let chosen = choose(&facts).unwrap();
    assert_eq!((chosen.rustc.to_str(), chosen.is_core_built), (Some("/usr/bin/rustc"), true));
    facts.compilers[0].has_core = true;
    assert_eq!(choose(&facts).unwrap().rustc.to_str(), Some("/rustup/rustc"));
}

#[test]
fn a_compiler_that_is_too_old_does_not_count() {
    let mut facts = Facts { has_qemu: true, has_rustup: false, has_apt_lists: true, ..bare() };
    facts.compilers = vec![Compiler { has_sources: true, ..compiler("/usr/bin/rustc", (1, 85)) }];
    assert_eq!(packages(&plan(&facts)), ["rustc-web", "cargo-web", "rust-web-src"]);
    assert_eq!(choose(&facts), None);
}

#[test]
fn a_missing_linker_is_installed_and_lists_are_fetched_once() {
    let mut facts = Facts { has_qemu: true, linker: None, has_updated_apt: true, ..bare() };
    facts.compilers[0].has_core = true;
    assert_eq!(plan(&facts).len(), 1);
    assert_eq!(packages(&plan(&facts)), ["lld"]);
}

#[test]
fn without_apt_the_rest_is_named_for_doing_by_hand() {
    let facts = Facts { has_apt: false, has_rustup_failed: true, ..bare() };
    let actions = plan(&facts);
    assert_eq!(actions.len(), 2);
    assert!(actions.iter().all(|action| matches!(action, Action::Manual { .. })));
    assert!(actions[0].describe().contains("brew install qemu"));
}
