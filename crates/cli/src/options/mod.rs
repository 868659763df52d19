//! The options of the commands.

pub mod error;
pub mod input;
pub mod plan;
pub mod policy;
pub mod show;

/// The reason why the text of an option is refused. The name of the option stands before it in a message.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("expected NAME=VALUE")]
    Pair,
    #[error("expected 12 digits")]
    Account,
}

fn pair(text: &str) -> Result<(String, String), Malformed> {
    let (name, value) = text.split_once('=').ok_or(Malformed::Pair)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn account_id(text: &str) -> Result<String, Malformed> {
    is_account_id(text).then(|| text.to_owned()).ok_or(Malformed::Account)
}

/// Whether the text is the id of an account: 12 digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
