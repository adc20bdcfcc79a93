import Glibc

/// How many descriptors this process may have (getrlimit(2), `RLIMIT_NOFILE`).
enum OpenFileLimit {
  /// As many as systemd gives an agent that is installed from HashiCorp's packages: enough for thousands of tasks.
  private static let wanted: rlim_t = 65536

  /// Raises the soft limit, as far as the hard one allows: by default systemd has the soft one at 1024, and a hundred tasks
  /// need more.
  static func raise() {
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0, limit.rlim_cur < self.wanted else { return }
    limit.rlim_cur = min(self.wanted, limit.rlim_max)
    setrlimit(resource, &limit)
  }
}
