//! Programs for arm64 on a machine that is none: compiled, and started under qemu.
//!
//! With Rust's own target for it they are compiled as they are for a deployment (cargo-lambda). Where that is not
//! installed, nothing is downloaded from where rustup has it: Debian's packages have a compiler with that target too.
//! They are unpacked below `target/`, by an apt that knows both architectures and leaves the machine's own alone. What
//! is compiled so is checked, not deployed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Architecture, Profile, Programs};
use crate::setup::Tools;
use crate::{host, process, report};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What zig calls the same, with the C library of Amazon Linux 2023.
const ZIG_TARGET: &str = "aarch64-linux-gnu.2.34";
/// What a program is started with.
const RUNNING: [&str; 3] = ["qemu-user-static", "libc6:arm64", "libgcc-s1:arm64"];
/// Debian's compiler in the version that its browsers are built with, and the library for both architectures: the
/// machine's own is for build scripts.
const COMPILER: [&str; 3] = ["rustc-web", "libstd-rust-web-dev:amd64", "libstd-rust-web-dev:arm64"];

/// What there is to compile for arm64, and to start what was compiled.
pub(super) struct Cross {
    folder: PathBuf,
    /// Whether the toolchain has the target by itself.
    own_target: bool,
}

impl Cross {
    /// Fetches what is missing.
    ///
    /// # Errors
    /// Where this machine cannot have it: what does.
    pub(super) fn ensure() -> Result<Self> {
        if Architecture::host() != Architecture::X86 {
            bail!("programs for arm64 are checked on an x86_64 machine; on this one, run the tests themselves");
        }
        let sysroot = process::output(process::command("rustc").args(["--print", "sysroot"]), "rustc", "")?;
        let own_target = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).exists();
        let cross = Self { folder: host::target().join("cross"), own_target };
        let wanted = if own_target { RUNNING.to_vec() } else { [&RUNNING[..], &COMPILER].concat() };
        if !cross.has(&wanted) {
            report::step("fetch qemu and a compiler for arm64 from Debian", || cross.fetch(&wanted))?;
        }
        cross.write_scripts()?;
        Ok(cross)
    }

    /// Compiles functions; answers where they are.
    pub(super) fn compile(&self, profile: Profile, functions: &[&'static str]) -> Result<Programs> {
        if self.own_target && profile == Profile::Release {
            return build::release(Architecture::Arm, functions, &[]);
        }
        let made = self.folder.join("build");
        let mut cargo = crate::test::plan::cargo(&["build", "--locked", "--bins", "--target", TARGET, "--target-dir"]);
        cargo.arg(&made);
        let kind = match profile {
            Profile::Quick => "debug",
            Profile::Release => {
                cargo.arg("--release");
                "release"
            }
        };
        for name in functions {
            cargo.args(["--package", name]);
        }
        if !self.own_target {
            cargo.env("RUSTC", self.script("rustc"));
        }
        let linker = self.script("cc");
        cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", &linker);
        cargo.env("CC_aarch64_unknown_linux_gnu", &linker).env("AR_aarch64_unknown_linux_gnu", self.script("ar"));
        process::run(&mut cargo, "the build for arm64")?;
        let programs = Programs::of(profile, Architecture::Arm);
        for name in functions {
            let (from, to) = (made.join(TARGET).join(kind).join(name), programs.path(name));
            fs::create_dir_all(to.parent().context("a program lies in a folder")?).context("cannot make its folder")?;
            fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        Ok(programs)
    }

    /// The command that starts one under qemu.
    pub(super) fn run(&self, program: &Path) -> Command {
        let mut command = process::command(self.root().join("usr/bin/qemu-aarch64-static"));
        command.arg("-L").arg(self.root()).arg(program);
        command
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn script(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("fetched.txt")
    }

    fn has(&self, wanted: &[&str]) -> bool {
        let fetched = fs::read_to_string(self.stamp()).unwrap_or_default();
        wanted.iter().all(|package| fetched.lines().any(|line| line == *package))
    }

    /// Downloads packages and unpacks them all into one folder.
    fn fetch(&self, wanted: &[&str]) -> Result<()> {
        let state = self.folder.join("apt");
        let archives = state.join("archives");
        for folder in [state.join("lists/partial"), archives.clone(), self.root()] {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let configuration = state.join("apt.conf");
        fs::write(state.join("status"), "").context("cannot write below target/")?;
        fs::write(&configuration, apt_configuration(&state)).context("cannot write below target/")?;
        let log = host::scratch("log/cross.log");
        let apt = |arguments: &[&str]| {
            let mut command = process::command("apt-get");
            command.arg("--quiet").args(arguments).current_dir(&archives).env("APT_CONFIG", &configuration);
            process::run_logged(&mut command, "apt-get (Debian's packages are needed for arm64)", &log)
        };
        apt(&["update"])?;
        let mut packages: Vec<String> = wanted.iter().map(|&package| package.to_owned()).collect();
        // The compiler's libraries have versions in their names: they are what its packages depend on, directly or
        // through others.
        let mut at = 0;
        while let Some(package) = packages.get(at).filter(|_| !self.own_target) {
            let mut command = process::command("apt-cache");
            command.args(["show", "--no-all-versions", package]).env("APT_CONFIG", &configuration);
            let more = libraries_of(&process::output(&mut command, "apt-cache", "")?);
            packages.extend(more);
            at += 1;
        }
        let named: Vec<&str> = ["download"].into_iter().chain(packages.iter().map(String::as_str)).collect();
        apt(&named)?;
        for entry in fs::read_dir(&archives).with_context(|| format!("cannot read {}", archives.display()))? {
            let file = entry.context("cannot read the folder of packages")?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                let mut unpack = process::command("dpkg-deb");
                process::output(unpack.arg("--extract").arg(&file).arg(self.root()), "dpkg-deb", "")?;
            }
        }
        fs::write(self.stamp(), wanted.join("\n")).context("cannot write below target/")
    }

    /// What cargo starts: the unpacked compiler with its libraries, and zig as C compiler, linker and archiver.
    fn write_scripts(&self) -> Result<()> {
        let root = self.root();
        let zig = process::output(
            process::command(Tools::Sam.program("python")).args(["-c", "import ziglang; print(ziglang.__path__[0])"]),
            "looking for zig",
            "",
        )?;
        let zig = Path::new(zig.trim()).join("zig");
        let scripts = [
            (
                "rustc",
                format!(
                    "LD_LIBRARY_PATH='{root}/usr/lib/x86_64-linux-gnu' exec '{root}/usr/bin/rustc' \"$@\"",
                    root = root.display()
                ),
            ),
            (
                "cc",
                // Rust and its C crates name the target in words of their own.
                format!(
                    "for word; do shift; case \"$word\" in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac; done\n\
                     exec '{}' cc -target {ZIG_TARGET} \"$@\"",
                    zig.display()
                ),
            ),
            ("ar", format!("exec '{}' ar \"$@\"", zig.display())),
        ];
        for (name, text) in scripts {
            let file = self.script(name);
            let text = format!("#!/bin/sh\n{text}\n");
            // Cargo compiles anew what a changed compiler made.
            if fs::read_to_string(&file).is_ok_and(|there| there == text) {
                continue;
            }
            fs::create_dir_all(self.folder.join("bin")).context("cannot write below target/")?;
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).context("cannot make it a program")?;
        }
        Ok(())
    }
}

/// An apt for both architectures with a state of its own; where packages come from is the machine's.
fn apt_configuration(state: &Path) -> String {
    let state = state.display();
    format!(
        "APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; \"arm64\"; }};\nDir::State \"{state}\";\n\
         Dir::State::lists \"{state}/lists\";\nDir::State::status \"{state}/status\";\nDir::Cache \"{state}\";\n\
         Acquire::Languages \"none\";\nAPT::Sandbox::User \"root\";\n"
    )
}

/// The compiler's own libraries, from what apt-cache shows of a package.
fn libraries_of(shown: &str) -> Vec<String> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    let names = depends.split(", ").filter_map(|depends| depends.split([' ', '(']).next());
    let versioned = |name: &&str| name.starts_with("libllvm") || name.starts_with("libstd-rust-web-1");
    names.filter(versioned).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_libraries_are_those_that_it_depends_on_in_their_version() {
        let library = "Package: libstd-rust-web-dev\nDepends: libstd-rust-web-1.96 (= 1.96.0+dfsg1-1~deb12u2)\n";
        assert_eq!(libraries_of(library), ["libstd-rust-web-1.96"]);
        let linked = "Package: libstd-rust-web-1.96\nDepends: libc6 (>= 2.34), libllvm22, libstdc++6 (>= 11)\n";
        assert_eq!(libraries_of(linked), ["libllvm22"]);
        assert!(libraries_of("").is_empty());
    }
}
