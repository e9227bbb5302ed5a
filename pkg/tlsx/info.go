package tlsx

import (
	"crypto/tls"
	"encoding/binary"
	"time"
)

// An Info is everything that a handshake showed.
type Info struct {
	Version     string      `json:"version"` // "TLSv1.3"
	Cipher      CipherSuite `json:"cipher"`
	Group       string      `json:"group"` // of the key agreement, "" for RSA key transport
	PostQuantum bool        `json:"post_quantum"`
	HelloRetry  bool        `json:"hello_retry"` // a second ClientHello was needed
	ALPN        string      `json:"alpn"`
	ServerName  string      `json:"sni"` // sent by the client
	Resumed     bool        `json:"resumed"`
	ECHAccepted bool        `json:"ech_accepted"`
	// OCSPStaple is the length of the stapled response, 0 without one.
	OCSPStaple int `json:"ocsp_staple_bytes"`
	// SCTs are the signed certificate timestamps in the handshake.
	SCTs []SCT `json:"scts"`
	// Request is the server's wish for a client certificate, nil without one.
	Request *CertificateRequest `json:"certificate_request,omitempty"`
	// Hello is what the client offered, for a server.
	Hello *ClientHello `json:"client_hello,omitempty"`
	// Tickets are the session tickets that have come so far.
	Tickets int `json:"tickets"`
	// FirstByte is how long the peer took for its first bytes, Handshake how
	// long it all took.
	FirstByte time.Duration `json:"-"`
	Handshake time.Duration `json:"-"`
	// BytesSent and BytesReceived count what went over the network.
	BytesSent     int64 `json:"bytes_sent"`
	BytesReceived int64 `json:"bytes_received"`
}

// Info describes the connection. Before the handshake it is nearly empty.
func (c *Conn) Info() Info {
	cs := c.tc.ConnectionState()
	info := Info{
		HelloRetry:    cs.HelloRetryRequest,
		ALPN:          cs.NegotiatedProtocol,
		ServerName:    cs.ServerName,
		Resumed:       cs.DidResume,
		ECHAccepted:   cs.ECHAccepted,
		OCSPStaple:    len(cs.OCSPResponse),
		SCTs:          []SCT{},
		Request:       c.requested(),
		Tickets:       c.sessions.count(),
		BytesSent:     c.wire.sent.Load(),
		BytesReceived: c.wire.received.Load(),
	}
	if cs.Version != 0 {
		info.Version, info.Cipher = VersionName(cs.Version), SuiteByID(cs.CipherSuite)
	}
	if cs.CurveID != 0 {
		info.Group, info.PostQuantum = GroupName(uint16(cs.CurveID)), isPostQuantum(cs.CurveID)
	}
	for _, raw := range cs.SignedCertificateTimestamps {
		if s, ok := parseSCT(raw); ok {
			info.SCTs = append(info.SCTs, s)
		}
	}
	if c.handshaken.Load() { // before, these belong to the handshake
		info.Hello = newClientHello(c.hello)
		info.Handshake = c.finished.Sub(c.started)
		if first := c.wire.firstRead.Load(); first != 0 {
			info.FirstByte = time.Unix(0, first).Sub(c.started)
		}
	}
	return info
}

func isPostQuantum(id tls.CurveID) bool {
	switch id {
	case tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024:
		return true
	}
	return false
}

// An SCT is a signed certificate timestamp (RFC 6962, section 3.2). Its
// signature is not verified: that takes the log's key.
type SCT struct {
	Version int       `json:"version"`
	LogID   string    `json:"log_id"`
	Time    time.Time `json:"time"`
}

// parseSCT reads one timestamp. A time that cannot be written is none.
func parseSCT(raw []byte) (SCT, bool) {
	if len(raw) < 41 {
		return SCT{}, false
	}
	t := time.UnixMilli(int64(binary.BigEndian.Uint64(raw[33:]))).UTC()
	return SCT{Version: int(raw[0]) + 1, LogID: hexString(raw[1:33]), Time: t}, writable(t)
}
