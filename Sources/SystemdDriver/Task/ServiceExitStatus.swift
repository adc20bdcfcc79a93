import Systemd

/// What systemd itself means by an exit status, where it could not run a service's program (systemd.exec(5),
/// "Process Exit Codes").
struct ServiceExitStatus: CustomStringConvertible {
  let description: String

  /// nil if a process has ended in another way: as far as can be told, the program's own.
  init?(_ exit: MainProcessExit) {
    guard case .exited(let status) = exit else { return nil }
    switch status {
    case 200: self.description = "CHDIR: the working directory cannot be entered"
    case 203: self.description = "EXEC: the program cannot be executed"
    case 208: self.description = "STDIN: standard input cannot be set up"
    case 209: self.description = "STDOUT: standard output cannot be set up"
    case 216: self.description = "GROUP: no such group"
    case 217: self.description = "USER: no such user"
    case 218: self.description = "CAPABILITIES: the capabilities cannot be set"
    case 219: self.description = "CGROUP: the control group cannot be set up"
    case 226: self.description = "NAMESPACE: the mount, UTS or user namespace cannot be set up"
    case 243: self.description = "CREDENTIALS: the credentials cannot be set up"
    // 241 was left out; 244 is the last one in use.
    case 201...244: self.description = "systemd could not set up the process"
    default: return nil
    }
  }
}
