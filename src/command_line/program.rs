//! A command within an option.

use std::fmt;
use std::str::FromStr;

use crate::config::Words;

/// A program and its arguments, given in one option: words as in httpd's configuration, with quotes
/// around those that contain white space. No shell is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program's name or path.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Program {
    /// Returns the program with more arguments.
    #[must_use]
    pub fn with(&self, more: &[&str]) -> Self {
        let mut program = self.clone();
        program.arguments.extend(more.iter().map(|&word| word.to_owned()));
        program
    }
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text).map(|word| word.text.into_owned());
        let name = words.next().filter(|name| !name.is_empty());
        let name = name.ok_or("no program given")?;
        Ok(Self { name, arguments: words.collect() })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_into_words_without_a_shell() {
        let program: Program = "systemctl reload \"my httpd\" $HOME;x".parse().unwrap();
        assert_eq!(program.name, "systemctl");
        assert_eq!(program.arguments, ["reload", "my httpd", "$HOME;x"]);
        assert!("".parse::<Program>().is_err() && " \"\" x".parse::<Program>().is_err());
    }
}
