//go:build !windows && !darwin

package tlsx

// systemFiles are where Unix systems keep their roots, in the order crypto/x509
// looks.
func systemFiles() []string {
	return []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
		"/usr/local/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt"}
}
