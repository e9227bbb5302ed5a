package tlsx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
)

// RFC 4511, section 4.14: an extended operation with this name.
const ldapStartTLS = "1.3.6.1.4.1.1466.20037"

func ldapClient(d *dialogue) error {
	request := append([]byte{0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16}, ldapStartTLS...)
	if err := d.send(request); err != nil {
		return err
	}
	body, err := d.ldapMessage()
	if err != nil {
		return err
	}
	// messageID INTEGER, then [APPLICATION 24] with resultCode ENUMERATED.
	i := bytes.IndexByte(body, 0x78)
	if i < 0 || i > 8 {
		return d.refused("", "not an answer to an extended request")
	}
	j := bytes.Index(body[i:], []byte{0x0a, 0x01})
	if j < 0 || i+j+2 >= len(body) {
		return d.refused("", "an answer without a result code")
	}
	if code := body[i+j+2]; code != 0 {
		return d.refused("", fmt.Sprintf("the server refuses with result code %d", code))
	}
	return nil
}

// ldapMessage reads one LDAPMessage and returns what is in its sequence.
func (d *dialogue) ldapMessage() ([]byte, error) {
	head, err := d.bytes(2)
	if err != nil {
		return nil, err
	}
	if head[0] != 0x30 {
		return nil, d.refused("", "not LDAP")
	}
	n := int(head[1])
	if n >= 0x80 {
		long, err := d.bytes(n & 0x7f)
		if err != nil {
			return nil, err
		}
		if n = 0; len(long) > 4 {
			return nil, d.refused("", "not LDAP")
		}
		for _, b := range long {
			n = n<<8 | int(b)
		}
	}
	return d.bytes(n)
}

func ldapServer(d *dialogue) error {
	body, err := d.ldapMessage()
	if err != nil {
		return err
	}
	if len(body) < 3 || body[0] != 0x02 || body[1] != 1 || !bytes.Contains(body, []byte(ldapStartTLS)) {
		return d.refused("", "the client did not start TLS")
	}
	return d.send([]byte{0x30, 0x0c, 0x02, 0x01, body[2], 0x78, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00})
}

// The SSLRequest of PostgreSQL's protocol, version 3: a length and a magic
// number, answered by S or N.

func postgresClient(d *dialogue) error {
	if err := d.send([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return err
	}
	answer, err := d.bytes(1)
	if err != nil {
		return err
	}
	if answer[0] != 'S' {
		return d.refused(string(answer), "the server does not offer TLS")
	}
	return nil
}

func postgresServer(d *dialogue) error {
	request, err := d.bytes(8)
	if err != nil {
		return err
	}
	if !bytes.Equal(request, []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}) {
		return d.refused("", "the client did not start TLS")
	}
	return d.send([]byte{'S'})
}

// MySQL's protocol, version 10: the server tells its capabilities first.

const (
	mysqlSSL        = 0x0800
	mysqlProtocol41 = 0x0200
	mysqlSecureConn = 0x8000
)

func mysqlClient(d *dialogue) error {
	head, err := d.bytes(4)
	if err != nil {
		return err
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if size > startTLSLine || head[3] != 0 { // the first packet has the number 0
		return d.refused(string(head), "not MySQL")
	}
	greeting, err := d.bytes(size)
	if err != nil {
		return err
	}
	if len(greeting) > 3 && greeting[0] == 0xff {
		return d.refused(string(greeting[3:]), "the server refuses")
	}
	version := bytes.IndexByte(greeting, 0)
	// After the version: thread number (4), salt (8), zero, capabilities (2).
	if len(greeting) == 0 || greeting[0] != 10 || version < 0 || len(greeting) < version+16 {
		return d.refused("", "not MySQL")
	}
	if binary.LittleEndian.Uint16(greeting[version+14:])&mysqlSSL == 0 {
		return d.refused("", "the server does not offer TLS")
	}
	request := make([]byte, 36)
	request[0], request[3] = 32, head[3]+1
	binary.LittleEndian.PutUint32(request[4:], mysqlSSL|mysqlProtocol41|mysqlSecureConn)
	binary.LittleEndian.PutUint32(request[8:], 1<<24)
	request[12] = 33 // utf8
	return d.send(request)
}

func mysqlServer(d *dialogue) error {
	body := append([]byte{10}, "8.0.0-brio\x00"...)
	body = append(body, 1, 0, 0, 0)
	body = append(body, "saltsalt\x00"...)
	body = binary.LittleEndian.AppendUint16(body, mysqlSSL|mysqlProtocol41|mysqlSecureConn)
	body = append(body, 33, 2, 0, 0, 0, 0)
	body = append(body, make([]byte, 10)...)
	body = append(body, "saltsaltsalt\x00"...)
	if err := d.send(append([]byte{byte(len(body)), 0, 0, 0}, body...)); err != nil {
		return err
	}
	request, err := d.bytes(36)
	if err != nil {
		return err
	}
	if request[0] != 32 || binary.LittleEndian.Uint32(request[4:])&mysqlSSL == 0 {
		return d.refused("", "the client did not start TLS")
	}
	d.keepRest()
	return nil
}

// MS-RDPBCGR, section 2.2.1.1: a negotiation inside the X.224 connection request.

func rdpClient(d *dialogue) error {
	request := []byte{
		3, 0, 0, 19, // TPKT
		14, 0xe0, 0, 0, 0, 0, 0, // connection request
		1, 0, 8, 0, 3, 0, 0, 0, // TLS or CredSSP, which is TLS too
	}
	if err := d.send(request); err != nil {
		return err
	}
	answer, err := d.tpkt()
	if err != nil {
		return err
	}
	if len(answer) < 15 || answer[1] != 0xd0 || answer[7] != 2 {
		if len(answer) >= 15 && answer[7] == 3 {
			return d.refused("", fmt.Sprintf("the server refuses with failure code %d", answer[11]))
		}
		return d.refused("", "the server does not offer TLS")
	}
	if answer[11]&3 == 0 {
		return d.refused("", "the server does not offer TLS")
	}
	return nil
}

// tpkt reads a packet of RFC 1006 and returns what is in it.
func (d *dialogue) tpkt() ([]byte, error) {
	head, err := d.bytes(4)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[2:])) - len(head)
	if head[0] != 3 || size < 0 {
		return nil, d.refused("", "not RDP")
	}
	return d.bytes(size)
}

func rdpServer(d *dialogue) error {
	request, err := d.tpkt()
	if err != nil {
		return err
	}
	// The negotiation is at the end; a cookie may come before it.
	if n := len(request); n < 15 || request[1] != 0xe0 || request[n-8] != 1 || request[n-4]&3 == 0 {
		return d.refused("", "the client did not ask for TLS")
	}
	return d.send([]byte{3, 0, 0, 19, 14, 0xd0, 0, 0, 0, 0, 0, 2, 0, 8, 0, 1, 0, 0, 0})
}

// MS-TDS, section 2.2.6.5: a PRELOGIN message whose ENCRYPTION option asks for
// TLS. The handshake then travels inside PRELOGIN packets.

const (
	tdsPrelogin = 0x12
	tdsResponse = 0x04
	tdsHeader   = 8
	tdsPacket   = 4096
)

func tdsClient(d *dialogue) error {
	body := []byte{
		0, 0, 11, 0, 6, // VERSION
		1, 0, 17, 0, 1, // ENCRYPTION
		0xff,
		17, 0, 0, 0, 0, 0,
		1, // on
	}
	if err := d.send(tdsFrame(body)); err != nil {
		return err
	}
	answer, err := d.tdsMessage()
	if err != nil {
		return err
	}
	switch mode := tdsEncryption(answer); mode {
	case 0, 1, 3: // off after the login, on, required
	case 2:
		return d.refused("", "the server does not support encryption")
	default:
		return d.refused("", "not TDS")
	}
	d.wrap = &tdsConn{Conn: d.conn}
	return nil
}

func tdsFrame(body []byte) []byte {
	b := []byte{tdsPrelogin, 1, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(tdsHeader+len(body)))
	return append(b, body...)
}

func (d *dialogue) tdsMessage() ([]byte, error) {
	head, err := d.bytes(tdsHeader)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[2:])) - tdsHeader
	if head[0] != tdsResponse || size < 0 {
		return nil, d.refused("", "not TDS")
	}
	return d.bytes(size)
}

// tdsEncryption returns the value of the ENCRYPTION option, -1 without one.
func tdsEncryption(body []byte) int {
	for i := 0; i+5 <= len(body) && body[i] != 0xff; i += 5 {
		at := int(binary.BigEndian.Uint16(body[i+1:]))
		if body[i] == 1 && at < len(body) {
			return int(body[at])
		}
	}
	return -1
}

// tdsConn puts the handshake into PRELOGIN packets. After it TLS records go
// bare in both directions.
type tdsConn struct {
	net.Conn
	plain atomic.Bool // the handshake is over on our side
	left  int         // bytes left of the packet that is being read
	bare  bool        // the peer has sent a bare record
	extra []byte      // what was read to see whether a record is bare
}

// NetConn returns the connection below.
func (c *tdsConn) NetConn() net.Conn { return c.Conn }

// handshakeDone tells the connection that we have sent our last flight.
func (c *tdsConn) handshakeDone() { c.plain.Store(true) }

func (c *tdsConn) Write(p []byte) (int, error) {
	if c.plain.Load() {
		return c.Conn.Write(p)
	}
	for sent := 0; sent < len(p); {
		n := min(len(p)-sent, tdsPacket-tdsHeader)
		if _, err := c.Conn.Write(tdsFrame(p[sent : sent+n])); err != nil {
			return sent, err
		}
		sent += n
	}
	return len(p), nil
}

func (c *tdsConn) Read(p []byte) (int, error) {
	if !c.bare && c.left == 0 {
		if err := c.nextPacket(); err != nil {
			return 0, err
		}
	}
	if len(c.extra) > 0 {
		n := copy(p, c.extra)
		c.extra = c.extra[n:]
		return n, nil
	}
	if c.bare {
		return c.Conn.Read(p)
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func (c *tdsConn) nextPacket() error {
	head := make([]byte, tdsHeader)
	if n, err := c.Conn.Read(head[:1]); n == 0 {
		return err
	}
	if head[0] != tdsPrelogin && head[0] != tdsResponse {
		c.bare, c.extra = true, head[:1]
		return nil
	}
	for got := 1; got < tdsHeader; {
		n, err := c.Conn.Read(head[got:])
		if got += n; got < tdsHeader && err != nil {
			return unexpectedEOF(err)
		}
	}
	c.left = int(binary.BigEndian.Uint16(head[2:])) - tdsHeader
	if c.left <= 0 {
		return &StartTLSError{Protocol: "tds", Reason: "an empty packet"}
	}
	return nil
}

// The START_TLS option of telnet, number 46: both sides agree on the option and
// then send FOLLOWS.

const (
	telnetIAC      = 255
	telnetDONT     = 254
	telnetDO       = 253
	telnetWONT     = 252
	telnetWILL     = 251
	telnetSB       = 250
	telnetSE       = 240
	telnetStartTLS = 46
	telnetFollows  = 1
)

func telnetFollowsMessage() []byte {
	return []byte{telnetIAC, telnetSB, telnetStartTLS, telnetFollows, telnetIAC, telnetSE}
}

func telnetClient(d *dialogue) error {
	if err := d.send([]byte{telnetIAC, telnetWILL, telnetStartTLS}); err != nil {
		return err
	}
	return d.telnet(func(command, option byte) (bool, error) {
		switch {
		case command == telnetDO && option == telnetStartTLS:
			return false, d.send(telnetFollowsMessage())
		case command == telnetDONT && option == telnetStartTLS:
			return false, d.refused("", "the server does not offer TLS")
		case command == telnetSB && option == telnetStartTLS:
			return true, nil
		case command == telnetDO:
			return false, d.send([]byte{telnetIAC, telnetWONT, option})
		case command == telnetWILL:
			return false, d.send([]byte{telnetIAC, telnetDONT, option})
		}
		return false, nil
	})
}

func telnetServer(d *dialogue) error {
	if err := d.send([]byte{telnetIAC, telnetDO, telnetStartTLS}); err != nil {
		return err
	}
	return d.telnet(func(command, option byte) (bool, error) {
		switch {
		case command == telnetWONT && option == telnetStartTLS:
			return false, d.refused("", "the client does not do TLS")
		case command == telnetSB && option == telnetStartTLS:
			return true, d.send(telnetFollowsMessage())
		}
		return false, nil
	})
}

// telnet hands every command of the stream to act until it is done. Text in
// between is passed over.
func (d *dialogue) telnet(act func(command, option byte) (done bool, err error)) error {
	for {
		if _, err := d.until(string([]byte{telnetIAC})); err != nil {
			return err
		}
		b, err := d.bytes(1)
		if err != nil {
			return err
		}
		if b[0] < telnetSB || b[0] == telnetIAC {
			continue // a command without an option, or the byte 255 itself
		}
		option, err := d.bytes(1)
		if err != nil {
			return err
		}
		if b[0] == telnetSB {
			if _, err := d.until(string([]byte{telnetIAC, telnetSE})); err != nil {
				return err
			}
		}
		if done, err := act(b[0], option[0]); done || err != nil {
			return err
		}
	}
}
