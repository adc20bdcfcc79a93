import ArgumentParser

/// How subcommands reach a systemd elsewhere.
struct CommandPrefixOptions: ParsableArguments {
  @Option(
    name: .customLong("command-prefix"), parsing: .unconditionalSingleValue,
    help: "A word to put before every command; repeat it for several.")
  var commandPrefix: [String] = []
}
