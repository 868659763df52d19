//! The program on a copy of what it reads and writes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Copies the template with its parts, the schemas and the pages with generated parts, and returns the folder.
pub fn copy(name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&to);
    for folder in ["crates/generate/template", "schemas", "schemas/cli", "docs/reference", "docs/evidence"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    std::fs::copy(Path::new(ROOT).join("template.yaml"), to.join("template.yaml")).unwrap();
    to
}

/// Runs the program with `--check` in a folder.
pub fn check(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_generate")).arg("--check").current_dir(folder).output().unwrap()
}

/// Changes a file of a copy, and returns what the program says about it.
pub fn said(name: &str, file: &str, change: impl Fn(&str) -> String) -> String {
    let folder = copy(name);
    let path = folder.join(file);
    let before = std::fs::read_to_string(&path).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "the file has nothing to change");
    std::fs::write(&path, after).unwrap();
    let done = check(&folder);
    assert!(!done.status.success());
    String::from_utf8(done.stderr).unwrap()
}
