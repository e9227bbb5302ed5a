//go:build !windows

package dnsq

const (
	resolvConfPath = "/etc/resolv.conf"
	hostsPath      = "/etc/hosts"
)

// ReadSystemConfig reads the configuration of the system's resolver: the file
// path, empty means /etc/resolv.conf. On Windows the adapters that are up are
// asked when path is empty. A file that does not exist names no name server.
func ReadSystemConfig(path string, env ResolvEnv) (*SystemConfig, error) {
	if path == "" {
		path = resolvConfPath
	}
	return readResolvConf(path, env)
}

// watchSystem watches what [ReadSystemConfig] reads.
func watchSystem(path string) watched {
	if path == "" {
		path = resolvConfPath
	}
	return watch(path)
}

// defaultHostsPath is where the system keeps its hosts file.
func defaultHostsPath() string { return hostsPath }
