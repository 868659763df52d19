"""Finds the templates of a checkout, and refuses to read anything outside it."""

import os
import re
import stat
import subprocess

# A file that names none of them has nothing to plan.
TYPES = (b"Custom::StepFunctionsWorkflowRole", b"Custom::SageMakerExecutionRole", b"Custom::SageMakerDeployTarget",
         b"Custom::SageMakerMlopsRoles", b"Custom::SageMakerServiceCatalogRoles")
TEMPLATES = (".yaml", ".yml", ".json", ".template")
CONFIG = "mlops-roles.toml"
# The maximum size of a file that the program reads, in bytes.
LONGEST = 10_485_760
# A name that every format writes as it is. A template may have another name in escapes.
PLAIN = re.compile(r"[A-Za-z0-9._ -]+")
LIMIT = 120


class WorkflowError(Exception):
    """An error of the workflow or of its runner, for which nothing can be planned."""


class Unreadable(Exception):
    """The reason why a file is not read."""


class LeadsOut(Unreadable):
    """The path of a file, or a symbolic link in it, leads out of the checkout."""


class Checkout:
    """The working tree of a Git repository. Names of files start from its top folder."""

    def __init__(self, folder):
        self.root = os.path.realpath(folder)
        if not os.path.isdir(self.root):
            raise WorkflowError("input `path`: there is no such folder in the workspace; check the repository out first")
        top = os.fsdecode(self.git("rev-parse", "--show-toplevel")).rstrip("\n")
        if os.path.realpath(top) != self.root:
            raise WorkflowError("input `path`: the folder is not the top folder of a checkout; set `path` as actions/checkout "
                                "has it")

    def git(self, *arguments, codes=(0,)):
        """What a Git command prints, as bytes."""
        command = ["git", "-C", self.root, "-c", "core.fsmonitor=false", *arguments]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
        except FileNotFoundError:
            raise WorkflowError("Git is not installed on the runner; install it") from None
        except subprocess.TimeoutExpired:
            raise WorkflowError(f"`git {arguments[0]}` did not end within {LIMIT} s") from None
        if done.returncode not in codes:
            raise WorkflowError(f"`git {arguments[0]}` failed: {os.fsdecode(done.stderr).strip()}")
        return done.stdout

    def names(self, *arguments):
        """The names that a Git command prints with `-z`, without repetitions."""
        return list(dict.fromkeys(os.fsdecode(name) for name in self.git(*arguments).split(b"\0") if name))

    def commit(self, revision):
        """The id of the commit that a revision names, or None."""
        found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}", codes=(0, 1, 128))
        return found.decode().strip() or None

    def is_shallow(self):
        """Whether the checkout lacks a part of the history."""
        return self.git("rev-parse", "--is-shallow-repository").strip() == b"true"

    def changed(self, base):
        """The names of the files that HEAD changes since it left the base, also deleted ones, or None without a common
        commit."""
        commit = self.commit(base)
        if commit is None or not self.git("merge-base", commit, "HEAD", codes=(0, 1)):
            return None
        return self.names("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-relative",
                          "--ignore-submodules=all", f"{commit}...HEAD", "--")

    def check(self, name):
        """Raises `Unreadable` unless the file is a regular file of this repository."""
        real = os.path.realpath(os.path.join(self.root, name))
        inside = os.path.relpath(real, self.root).split(os.sep)
        # Nothing is said of what is outside, not even whether it exists.
        if inside[0] == os.pardir:
            raise LeadsOut("the path, or a symbolic link in it, leads out of the checkout; copy the file into the "
                           "repository")
        if ".git" in inside:
            raise Unreadable("the file belongs to Git; name a file of the working tree")
        for depth in range(1, len(inside)):
            if os.path.lexists(os.path.join(self.root, *inside[:depth], ".git")):
                raise Unreadable("the file is in another repository, such as a submodule; set `path` to its folder")
        try:
            mode = os.stat(real).st_mode
        except OSError as error:
            raise Unreadable(f"the file can't be read: {error.strerror}; correct the path") from None
        if not stat.S_ISREG(mode):
            raise Unreadable("the path leads to a folder, a device or a pipe, expected a file; correct the path")

    def check_with_config(self, name):
        """Raises `Unreadable` unless the file and each config file above it are regular files of this repository."""
        self.check(name)
        real = os.path.relpath(os.path.realpath(os.path.join(self.root, name)), self.root)
        for folder in {*above(name), *above(real)}:
            config = os.path.join(folder, CONFIG)
            if os.path.lexists(os.path.join(self.root, config)):
                try:
                    self.check(config)
                except Unreadable as error:
                    raise type(error)(f"`{config}`: {error}") from None

    def content(self, name):
        """The bytes of a file: one more than the program reads of a file that is too long for it."""
        self.check(name)
        with open(os.path.join(self.root, name), "rb") as file:
            content = file.read(LONGEST + 1)
        return content

    def templates(self, names):
        """The templates among the files that name a type of mlops-roles, with their contents.

        A symbolic link that leads out of the checkout is one too, without content, if it has the name of a template. So
        the plan refuses it when it is changed.
        """
        found = {}
        for name in names:
            if not name.lower().endswith(TEMPLATES):
                continue
            try:
                content = self.content(name)
            except LeadsOut:
                found[name] = b""
                continue
            except (Unreadable, OSError):
                # A submodule, or a file that the checkout leaves out.
                continue
            # A name may be written with an escape. The program decides whether there is something to plan.
            is_escaped = any(sign in content for sign in (b"\\x", b"\\u", b"\\U"))
            if is_escaped or b"Resources" in content and any(kind in content for kind in TYPES):
                found[name] = content
        return found

    def affected(self, changed, options):
        """The templates whose plan may differ after the changes. None stands for changes that are not known.

        A file that is no template matters if a template mentions its name, as that of a definition. A file that a config
        file or an option mentions, and a config file, matter for all templates.
        """
        tracked = self.names("ls-files", "-z")
        templates = self.templates(tracked)
        every = sorted(name for name, content in templates.items() if content or name in (changed or ()))
        if changed is None:
            return every
        everywhere = options.encode("utf-8", "surrogateescape")
        for config in (name for name in tracked if os.path.basename(name) == CONFIG):
            try:
                everywhere += self.content(config)
            except (Unreadable, OSError):
                # The plan of the templates below it says so.
                continue
        # A link to a changed file is changed, and so is a file that names a changed one: it may include that.
        changed = self.with_what_leads_to(set(changed), tracked)
        names = {os.path.basename(name) for name in changed if name not in templates}
        mentions = {os.fsencode(name) for name in names}
        if CONFIG in names or not all(map(PLAIN.fullmatch, names)) or any(name in everywhere for name in mentions):
            return every
        return sorted(name for name, content in templates.items()
                      if name in changed or any(mention in content for mention in mentions))

    def with_what_leads_to(self, changed, tracked):
        """The changed files with the links to them, and the files that name one of them, directly or through others."""
        links = {}
        for name in tracked:
            path = os.path.join(self.root, name)
            if os.path.islink(path):
                links.setdefault(os.path.relpath(os.path.realpath(path), self.root), set()).add(name)
        texts = {}
        for name in tracked:
            if name.lower().endswith(TEMPLATES):
                try:
                    texts[name] = self.content(name)
                except (Unreadable, OSError):
                    continue
        found, new = set(changed), set(changed)
        while new:
            mentions = {os.fsencode(os.path.basename(name)) for name in new}
            new = {name for name, text in texts.items() if any(mention in text for mention in mentions)}
            new |= {link for name in found | new for link in links.get(name, ())}
            new -= found
            found |= new
        return found

    def named(self, line):
        """The files that a line of the input `files` names, and whether the line is a pattern."""
        if os.path.isabs(line) or os.pardir in line.split("/"):
            raise WorkflowError(f"input `files`: found `{line}`, expected a path from the folder of the checkout, without "
                                "`..`")
        if not re.search(r"[*?[]", line):
            return [os.path.normpath(line)], False
        # Git looks into no folder behind a symbolic link.
        found = self.names("ls-files", "-z", "--cached", "--others", "--", f":(top,glob){line}")
        if not found:
            raise WorkflowError(f"input `files`: found `{line}`, which matches no file of the checkout; correct the pattern")
        return sorted(self.templates(found)), True


def above(name):
    """The folders that a file is in, up to the top folder, which is an empty text."""
    while name:
        name = os.path.dirname(name)
        yield name
