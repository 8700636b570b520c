"""What the crates in a directory of `cargo vendor --versioned-dirs` are.

vendored.py prune DIRECTORY             drops prebuilt files
vendored.py copyright DIRECTORY         prints debian/copyright, in the format of DEP-5
vendored.py sbom DIRECTORY VERSION      prints a bill of materials of module and programs (CycloneDX)
vendored.py expression DIRECTORY        prints the licence of module and programs with all crates in them (SPDX)
vendored.py licences DIRECTORY          prints the licences of these crates, with their texts
"""

import json
import pathlib
import re
import subprocess
import sys

PREBUILT = {".a", ".lib", ".dll", ".so", ".o", ".obj", ".exe", ".wasm", ".dylib", ".jar", ".class", ".rlib"}
# What tools have made, and left in a crate.
GENERATED = {"tarpaulin-report.html"}
# Where Debian has the whole text.
COMMON = {"Apache-2.0": "Apache-2.0", "MPL-2.0": "MPL-2.0", "CC0-1.0": "CC0-1.0",
          "LGPL-2.1-or-later": "LGPL-2.1"}
# A line of each licence's own text, to find a file that has it.
WORDS = {
    "MIT": "Permission is hereby granted, free of charge",
    "BSD-3-Clause": "Neither the name of",
    "BSD-2-Clause": "Redistributions in binary form",
    "ISC": "Permission to use, copy, modify, and/or distribute",
    "0BSD": "Permission to use, copy, modify, and/or distribute",
    "Unicode-3.0": "UNICODE LICENSE V3",
    "Unlicense": "This is free and unencumbered software",
    "Zlib": "This software is provided 'as-is'",
    "BSL-1.0": "Boost Software License",
    "Apache-2.0-with-LLVM-exception": "LLVM Exceptions to the Apache 2.0 License",
}


def prune(directory):
    for file in directory.rglob("*"):
        if file.is_file() and (file.suffix.lower() in PREBUILT or file.name in GENERATED or is_program(file)):
            file.unlink()
    # cargo compares the files with this list, if there is one; the hash of the whole crate stays.
    for file in directory.glob("*/.cargo-checksum.json"):
        # debhelper drops some files too, such as Cargo.toml.orig.
        checksums = json.loads(file.read_text())
        checksums["files"] = {}
        file.write_text(json.dumps(checksums))


def is_program(file):
    with file.open("rb") as opened:
        start = opened.read(8)
    return start.startswith((b"\x7fELF", b"MZ\x90", b"!<arch>", b"\xca\xfe\xba\xbe", b"\0asm"))


def metadata(*arguments):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def packages(directory):
    """Every crate of Cargo.lock with the directory where it is vendored, by name."""
    found = [(package, directory / f"{package['name']}-{package['version']}")
             for package in metadata()["packages"] if package["source"]]
    return sorted(found, key=lambda pair: (pair[0]["name"], pair[0]["version"]))


def licence(package):
    text = (package["license"] or "").replace("/", " OR ")
    text = re.sub(r"\s+WITH\s+LLVM-exception", "-with-LLVM-exception", text)
    return re.sub(r"\s+", " ", text).strip() or "see-its-files"


def names(text):
    return [word for word in re.split(r"[\s()]+", text) if word and word not in ("AND", "OR")]


def texts(package):
    for file in sorted(pathlib.Path(package["manifest_path"]).parent.iterdir()):
        if file.is_file() and re.match(r"(?i)(licen[cs]e|copying|unlicense|notice|copyright)", file.name):
            yield file.read_text(errors="replace")


def holders(package):
    """Who the crate's own files name, else its authors."""
    found = []
    for text in texts(package):
        for line in text.splitlines():
            match = re.match(r"\W*copyright (?:\(c\)|©)?\s*((?:\d{4}.*|the .*|[A-Z].* contributors.*))$", line, re.I)
            if match and "[yyyy]" not in line and "{yyyy}" not in line:
                found.append(match.group(1).strip())
    return list(dict.fromkeys(found)) or package["authors"] or [f"the authors of {package['name']}"]


def copyright(directory):
    crates = packages(directory)
    print("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/")
    print("Upstream-Name: mod_proxy_ajp_rs")
    print("Comment: made from Cargo.lock and the crates that it names")
    print("\nFiles: *\nCopyright: the authors of mod_proxy_ajp_rs\nLicense: Apache-2.0")
    used = {"Apache-2.0"}
    for package, place in crates:
        text = licence(package)
        used.update(names(text))
        dep5 = text.replace(" OR ", " or ").replace(" AND ", " and ").replace("(", "").replace(")", "")
        if "(" in text:
            dep5 = re.sub(r" and ", ", and ", dep5)
        print(f"\nFiles: {place}/*")
        print("Copyright: " + "\n ".join(holders(package)))
        print(f"License: {dep5}")
    for name in sorted(used):
        print(f"\nLicense: {name}")
        print(indented(text_of(name, crates)))


def text_of(name, crates):
    if name in COMMON:
        return f"On Debian, /usr/share/common-licenses/{COMMON[name]} has the whole text."
    words = WORDS.get(name)
    # The shortest file that has the words is that licence alone.
    having = [text for package, _ in crates for text in texts(package) if words and words in text]
    if name == "Apache-2.0-with-LLVM-exception" and having:
        exception = min(having, key=len).partition(words)[2].strip("- \n")
        return f"On Debian, /usr/share/common-licenses/Apache-2.0 has the licence. Its exception:\n{exception}"
    if not having:
        sys.exit(f"no text of the licence {name}: give it a row in WORDS or COMMON")
    return min(having, key=len)


def indented(text):
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())


def linked():
    """The crates that are in module and programs, what each of them depends on, and the module's own crate.

    What only builds, tests or other systems need is left out."""
    described = metadata("--filter-platform", "x86_64-unknown-linux-gnu")
    by_id = {package["id"]: package for package in described["packages"]}
    edges = {node["id"]: node["deps"] for node in described["resolve"]["nodes"]}
    root = next(id for id, package in by_id.items() if package["name"] == "mod_proxy_ajp_rs")
    waiting, depends = [root], {}
    while waiting:
        id = waiting.pop()
        if id not in depends:
            depends[id] = [edge["pkg"] for edge in edges[id]
                           if any(kind["kind"] is None for kind in edge["dep_kinds"])]
            waiting += depends[id]
    return by_id, depends, root


def expression(_):
    by_id, depends, _ = linked()
    found = set()
    for id in depends:
        # At each `AND` outside of brackets; `OR` alone is left within a term.
        for term in re.split(r" AND (?![^(]*\))", by_id[id]["license"].replace("/", " OR ")):
            words = sorted(term.strip("()").split(" OR "))
            found.add(" OR ".join(words))
    print(" AND ".join(f"({term})" if " OR " in term else term for term in sorted(found)))


def licences(_):
    by_id, depends, root = linked()
    print("The module and the programs contain these crates. Each crate is under the licence beside its name.\n")
    having = {}
    for package in sorted((by_id[id] for id in depends if id != root), key=lambda package: package["name"]):
        name = f"{package['name']} {package['version']}"
        print(f"{name}: {package['license'].replace('/', ' OR ')}")
        for text in texts(package):
            having.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    for text, names in having.values():
        print(f"\n{'=' * 78}\n{', '.join(names)}:\n\n{text.strip(chr(10))}")


def sbom(_, version):
    by_id, depends, root = linked()

    def reference(id):
        package = by_id[id]
        return f"pkg:cargo/{package['name']}@{package['version']}"

    lock = pathlib.Path("Cargo.lock").read_text()

    def component(id):
        package = by_id[id]
        described = {"type": "library", "bom-ref": reference(id), "name": package["name"],
                     "version": package["version"], "purl": reference(id),
                     "licenses": [{"expression": package["license"].replace("/", " OR ")}]}
        hash = re.search(rf'name = "{package["name"]}"\nversion = "{re.escape(package["version"])}"\n'
                         r'source = .*\nchecksum = "(.*)"', lock).group(1)
        described["hashes"] = [{"alg": "SHA-256", "content": hash}]
        return described

    order = sorted(set(depends) - {root}, key=reference)
    json.dump({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {"type": "library", "bom-ref": reference(root), "name": "mod_proxy_ajp_rs",
                                   "version": version, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": [component(id) for id in order],
        "dependencies": [{"ref": reference(id), "dependsOn": sorted(map(reference, depends[id]))}
                         for id in [root, *order]],
    }, sys.stdout, indent=1)
    print()


def main():
    what, directory, *more = sys.argv[1:]
    commands = {"prune": prune, "copyright": copyright, "sbom": sbom, "expression": expression, "licences": licences}
    commands[what](pathlib.Path(directory), *more)


main()
