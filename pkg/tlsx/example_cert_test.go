package tlsx_test

import (
	"fmt"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

const examplePEM = `-----BEGIN CERTIFICATE-----
MIIBpjCCAUugAwIBAgICEmcwCgYIKoZIzj0EAwIwOTELMAkGA1UEBhMCREUxEDAO
BgNVBAoMB0V4YW1wbGUxGDAWBgNVBAMMD3d3dy5leGFtcGxlLmNvbTAeFw0yNjEx
MjAxMzMwNDVaFw0zNDA1MDYxMzMwNDVaMDkxCzAJBgNVBAYTAkRFMRAwDgYDVQQK
DAdFeGFtcGxlMRgwFgYDVQQDDA93d3cuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAR5oQ/5XFJrZKfg9eST3ZJLPF4GUDtqLp87oRRxITIN41bd
Ze/djeGzU+1iBHStr3TczM1jSQ0FX0Wv7Fe0NKe4o0MwQTAgBgNVHREEGTAXgg93
d3cuZXhhbXBsZS5jb22HBMAAAgEwHQYDVR0OBBYEFIUpckwtcGOURljHYLFvnnq8
zADyMAoGCCqGSM49BAMCA0kAMEYCIQDBHx6rnEOmz0dlanusATHlAfWntwviWSt1
6dAwvMqYWwIhAPF3FR/OpCrkbpscYkmO+iuA8ss8xvX1dxHPseji54Yd
-----END CERTIFICATE-----
`

// Every object of a file is read, whatever the file's format.
func ExampleReadObjects() {
	objects, err := tlsx.ReadObjects([]byte(examplePEM), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range objects {
		c := o.Certificate
		fmt.Println(o.Kind, c.VersionString(), c.SerialNumber, c.PublicKey)
		fmt.Println(c.Subject, "until", c.NotAfter.Format(time.DateOnly))
		for _, n := range c.SubjectAltNames() {
			fmt.Println(n.Type, n.Value)
		}
	}
	// Output:
	// certificate v3 4711 EC P-256
	// C=DE, O=Example, CN=www.example.com until 2034-05-06
	// DNS www.example.com
	// IP Address 192.0.2.1
}

// All faults of a chain are found, not only the first.
func ExampleVerifyCertificate() {
	objects, err := tlsx.ReadObjects([]byte(examplePEM), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := tlsx.VerifyCertificate(objects[0].Certificate, tlsx.VerifyOptions{
		Roots:    &tlsx.Store{},
		Hostname: "mail.example.com",
		Time:     time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	fmt.Println(r.OK, r.Code.Name())
	for _, f := range r.Faults {
		fmt.Println(int(f.Code), f.Text)
	}
	// Output:
	// false X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
	// 18 self-signed certificate
	// 62 hostname mismatch
	// 10 certificate has expired
}
