//! Makes man pages and completions, from the command lines of the programs, the module's tables of parameters, and
//! what `docs/` says about them and about directives.

mod markdown;
mod module_page;
mod program_page;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use mod_proxy_ajp_rs::command_line::{AjpDialer, Jk2ajp};

/// A file that is installed below `share`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manual {
    /// Its path below `share`.
    pub path: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Makes every file: a page for each program and for the module, and completions of the programs for bash, zsh and
/// fish.
#[must_use]
pub fn all() -> Vec<Manual> {
    let page = |section: u32, name: &str, content: Vec<u8>| Manual {
        path: format!("man/man{section}/{name}.{section}"),
        content,
    };
    let dialer_documents = include_str!("../../docs/ajp-dialer.md");
    let mut files = vec![
        page(7, "mod_proxy_ajp_rs", module_page::render()),
        page(
            1,
            "jk2ajp",
            program_page::render(Jk2ajp::command(), include_str!("../../docs/migrating.md")),
        ),
        page(1, "ajp-dialer", program_page::render(AjpDialer::command(), dialer_documents)),
    ];
    for command in [Jk2ajp::command(), AjpDialer::command()] {
        let name = command.get_name().to_owned();
        for (shell, path) in [
            (Shell::Bash, format!("bash-completion/completions/{name}")),
            (Shell::Zsh, format!("zsh/site-functions/_{name}")),
            (Shell::Fish, format!("fish/vendor_completions.d/{name}.fish")),
        ] {
            let mut content = Vec::new();
            let mut command = match shell {
                Shell::Zsh => with_quoted_colons(command.clone()),
                _ => command.clone(),
            };
            clap_complete::generate(shell, &mut command, &name, &mut content);
            files.push(Manual { path, content });
        }
    }
    files
}

/// In what zsh reads, a colon ends the name of a value, and clap_complete does not quote it.
fn with_quoted_colons(command: Command) -> Command {
    command.mut_args(|argument| {
        let names = argument.get_value_names().unwrap_or_default();
        // clap borrows names for as long as the program runs, which is no longer than this.
        let quoted: Vec<&'static str> =
            names.iter().map(|name| &*name.replace(':', "\\:").leak()).collect();
        if quoted.is_empty() { argument } else { argument.value_names(quoted) }
    })
}
