//! `manuals DIRECTORY`: writes man pages and completions below a directory, as they are below `share` when they are
//! installed.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: manuals DIRECTORY");
        return ExitCode::from(2);
    };
    match write(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("manuals: {}: {error}", Path::new(&directory).display());
            ExitCode::from(1)
        }
    }
}

fn write(directory: &Path) -> io::Result<()> {
    for manual in manuals::all() {
        let path = directory.join(&manual.path);
        fs::create_dir_all(path.parent().expect("it is below the directory"))?;
        fs::write(path, manual.content)?;
    }
    Ok(())
}
