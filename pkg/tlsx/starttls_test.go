package tlsx_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

// pipe returns both ends of a TCP connection on the loopback.
func pipe(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// TestStartTLSBothSides has our client talk to our server for each protocol.
func TestStartTLSBothSides(t *testing.T) {
	for _, protocol := range tlsx.StartTLSServerProtocols() {
		t.Run(protocol, func(t *testing.T) {
			client, server := pipe(t)
			done := make(chan error, 1)
			go func() {
				_, err := tlsx.ServeStartTLS(t.Context(), server, protocol, "mail.example")
				done <- err
			}()
			if _, err := tlsx.StartTLS(t.Context(), client, protocol, "mail.example"); err != nil {
				t.Errorf("StartTLS: %v", err)
			}
			if err := <-done; err != nil {
				t.Errorf("ServeStartTLS: %v", err)
			}
		})
	}
}

// script plays a server: a string is sent, a string with a leading ">" is read
// and thrown away, as many bytes as it has.
func script(conn net.Conn, steps []string) {
	for _, s := range steps {
		if want, ok := strings.CutPrefix(s, ">"); ok {
			if _, err := io.ReadFull(conn, make([]byte, len(want))); err != nil {
				return
			}
			continue
		}
		if _, err := io.WriteString(conn, s); err != nil {
			return
		}
	}
}

// TestStartTLSRefused covers servers that do not start TLS, or that try to put
// words into the encrypted stream.
func TestStartTLSRefused(t *testing.T) {
	var refused *tlsx.StartTLSError
	for _, tt := range []struct {
		protocol string
		steps    []string
		as       any
	}{
		{"smtp", []string{"220-hello\r\n220 there\r\n", ">EHLO localhost\r\n", "250-x\r\n250 SIZE\r\n"}, &refused},
		{"smtp", []string{"220 a\r\n", ">EHLO localhost\r\n", "250 STARTTLS\r\n", ">STARTTLS\r\n", "454 not now\r\n"}, &refused},
		{"smtp", []string{"220 a\r\n", ">EHLO localhost\r\n", "250 STARTTLS\r\n", ">STARTTLS\r\n", "220 go\r\n250 injected\r\n"}, tlsx.ErrDataBeforeTLS},
		{"smtp", []string{"554 no\r\n"}, &refused},
		{"imap", []string{"* PREAUTH hi\r\n"}, &refused},
		{"imap", []string{"* OK hi\r\n", ">a1 CAPABILITY\r\n", "* CAPABILITY IMAP4rev1\r\na1 OK\r\n"}, &refused},
		{"pop3", []string{"+OK\r\n", ">STLS\r\n", "-ERR no\r\n"}, &refused},
		{"ftp", []string{"220 x\r\n", ">AUTH TLS\r\n", "502 what\r\n"}, &refused},
		{"nntp", []string{"201 x\r\n", ">STARTTLS\r\n", "580 no\r\n"}, &refused},
		{"sieve", []string{"\"SASL\" \"PLAIN\"\r\nOK\r\n"}, &refused},
		{"irc", []string{">STARTTLS\r\n", ":x NOTICE * :hi\r\n:x 421 * STARTTLS :Unknown command\r\n"}, &refused},
		{"xmpp", []string{"<stream:stream><stream:features></stream:features>"}, &refused},
		{"postgres", []string{">12345678", "N"}, &refused},
		{"postgres", []string{">12345678", "SX"}, tlsx.ErrDataBeforeTLS},
		{"mysql", []string{"\x1c\x00\x00\x00\x0a5.0\x00\x01\x00\x00\x0012345678\x00\x00\x00\x21\x02\x00\x00\x00\x00\x00\x00"}, &refused},
		{"mysql", []string{"\x17\x00\x00\x00\xff\x6a\x04Host is not allowed!"}, &refused},
		{"ldap", []string{"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"}, &refused},
		{"rdp", []string{"\x03\x00\x00\x13\x0e\xd0\x00\x00\x00\x00\x00\x03\x00\x08\x00\x01\x00\x00\x00"}, &refused},
		{"rdp", []string{"\x03\x00\x00\x0b\x06\xd0\x00\x00\x00\x00\x00"}, &refused},
		{"tds", []string{"\x04\x01\x00\x0f\x00\x00\x01\x00\x01\x00\x06\x00\x01\xff\x02"}, &refused},
		{"telnet", []string{"\xff\xfe\x2e"}, &refused},
		{"imap", []string{"* OK hi\r\n", ">a1 CAPABILITY\r\n", "a1 BAD what\r\n"}, &refused},
		{"sieve", []string{"\"STARTTLS\"\r\nOK\r\n", ">STARTTLS\r\n", "NO \"not today\"\r\n"}, &refused},
		{"xmpp", []string{"<stream:stream xmlns='jabber:client'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>", "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}, &refused},
		{"ldap", []string{"\x30\x85\x00\x00\x00\x00\x01x"}, &refused},
		{"ldap", []string{"\x30\x03\x02\x01\x01"}, &refused},
		{"ldap", []string{"\x30\x07\x02\x01\x01\x78\x02\x0a\x01"}, &refused},
		{"rdp", []string{"\x03\x00\x00\x13\x0e\xd0\x00\x00\x00\x00\x00\x02\x00\x08\x00\x00\x00\x00\x00"}, &refused},
		{"tds", []string{"\x04\x01\x00\x09\x00\x00\x01\x00\xff"}, &refused},
		{"smtp", []string{"220 a\r\n"}, io.ErrUnexpectedEOF},
		{"smtp", []string{"220 a\r\n", ">EHLO localhost\r\n", "250-half"}, io.ErrUnexpectedEOF},
		{"imap", []string{"* OK hi\r\n", ">a1 CAPABILITY\r\n", "* CAPABILITY STARTTLS\r\n"}, io.ErrUnexpectedEOF},
		{"xmpp", []string{"<stream:stream xmlns='jabber:client'><stream:features>"}, io.ErrUnexpectedEOF},
		{"xmpp", []string{"<stream:stream xmlns='jabber:client'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>", "<proceed"}, io.ErrUnexpectedEOF},
		{"ldap", []string{"\x30\x84\x00"}, io.ErrUnexpectedEOF},
		{"mysql", []string{"\x17\x00\x00\x00\x0a"}, io.ErrUnexpectedEOF},
	} {
		client, server := pipe(t)
		go func() { script(server, tt.steps); server.(*net.TCPConn).CloseWrite() }()
		_, err := tlsx.StartTLS(t.Context(), client, tt.protocol, "x.example")
		want, isError := tt.as.(error)
		if isError && !errors.Is(err, want) || !isError && !errors.As(err, tt.as) {
			t.Errorf("%s %q: StartTLS = %v; want an error of the kind %T", tt.protocol, tt.steps, err, tt.as)
		}
	}
}

// TestServeStartTLSRefused covers clients that leave, or that ask for something
// else: what they hear, and that TLS does not begin.
func TestServeStartTLSRefused(t *testing.T) {
	for _, tt := range []struct{ protocol, says, hears string }{
		{"smtp", "HELO x\r\nNOOP\r\nMAIL FROM:<a>\r\nQUIT\r\n", "220 a.example ESMTP brio\r\n250 a.example\r\n250 OK\r\n530 "},
		{"imap", "a NOOP\r\nb LOGIN x y\r\nc LOGOUT\r\n", "a OK done\r\nb BAD issue a STARTTLS command first\r\n* BYE\r\nc OK done\r\n"},
		{"pop3", "USER x\r\nQUIT\r\n", "-ERR issue a STLS command first\r\n+OK bye\r\n"},
		{"ftp", "USER x\r\nQUIT\r\n", "530 issue AUTH TLS first\r\n221 bye\r\n"},
		{"nntp", "GROUP x\r\nQUIT\r\n", "483 issue a STARTTLS command first\r\n205 bye\r\n"},
		{"sieve", "LISTSCRIPTS\r\nLOGOUT\r\n", "NO \"issue a STARTTLS command first\"\r\nOK\r\n"},
		{"irc", "NICK x\r\nQUIT\r\n", ":a.example 451 * :issue a STARTTLS command first\r\nERROR :bye\r\n"},
		{"xmpp", "<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='x'><auth/>", ""},
		{"ldap", "\x30\x05\x02\x01\x01\x42\x00", ""},
		{"rdp", "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x00\x00\x00\x00", ""},
	} {
		client, server := pipe(t)
		heard := make(chan string, 1)
		go func() {
			_, _ = io.WriteString(client, tt.says) // the answer tells what arrived
			b, _ := io.ReadAll(client)
			heard <- string(b)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := tlsx.ServeStartTLS(ctx, server, tt.protocol, "a.example")
		cancel()
		server.Close()
		var refused *tlsx.StartTLSError
		if got := <-heard; !errors.As(err, &refused) || !strings.Contains(got, tt.hears) {
			t.Errorf("%s: ServeStartTLS = %v and says %q; want a refusal and %q", tt.protocol, err, got, tt.hears)
		}
	}
}

// TestStartTLSScripted has servers say word for word what the ones in use say:
// greetings of many lines, features in any order, talk that is not to the point.
func TestStartTLSScripted(t *testing.T) {
	mysql := "\x0a8.4.0\x00\x09\x00\x00\x00abcdefgh\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abcdefghijkl\x00caching_sha2_password\x00"
	for _, tt := range []struct {
		protocol string
		steps    []string
	}{
		{"smtp", []string{"220-mail.example ESMTP\r\n220 hello\r\n", ">EHLO localhost\r\n", "250-mail.example\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 HELP\r\n", ">STARTTLS\r\n", "220 2.0.0 Ready\r\n"}},
		{"lmtp", []string{"220 lmtp\r\n", ">LHLO localhost\r\n", "250-x\r\n250-STARTTLS\r\n250 8BITMIME\r\n", ">STARTTLS\r\n", "220 go\r\n"}},
		{"imap", []string{"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n", ">a1 CAPABILITY\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\n* OK by the way\r\na1 OK done\r\n", ">a2 STARTTLS\r\n", "a2 OK Begin\r\n"}},
		{"pop3", []string{"+OK <1.2@x>\r\n", ">STLS\r\n", "+OK\r\n"}},
		{"ftp", []string{"220-Welcome\r\n to this server\r\n220 ready\r\n", ">AUTH TLS\r\n", "234 AUTH TLS successful\r\n"}},
		{"nntp", []string{"201 news.example, posting prohibited\r\n", ">STARTTLS\r\n", "382 Continue\r\n"}},
		{"sieve", []string{"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK \"ready.\"\r\n", ">STARTTLS\r\n", "OK \"Begin TLS\"\r\n"}},
		{"irc", []string{":irc.example NOTICE * :*** Looking up\r\nNOTICE AUTH :***\r\nPING :123\r\n", ">STARTTLS\r\nPONG :123\r\n", ":irc.example 670 * :STARTTLS successful\r\n"}},
		{"xmpp", []string{"<?xml version='1.0'?><stream:stream from='x' id='7' version='1.0'>", "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms/></stream:features>", "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'></proceed>"}},
		{"xmpp-server", []string{"<stream:stream xmlns='jabber:server'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>", "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}},
		{"postgres", []string{">12345678", "S"}},
		{"mysql", []string{string(rune(len(mysql))) + "\x00\x00\x00" + mysql}},
		{"ldap", []string{">" + strings.Repeat("x", 31), "\x30\x84\x00\x00\x00\x28\x02\x01\x01\x78\x84\x00\x00\x00\x1f\x0a\x01\x00\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20037"}},
		{"rdp", []string{">" + strings.Repeat("x", 19), "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00"}},
		{"tds", []string{"\x04\x01\x00\x2b\x00\x00\x01\x00\x00\x00\x1a\x00\x06\x01\x00\x20\x00\x01\x02\x00\x21\x00\x01\x03\x00\x22\x00\x00\x04\x00\x22\x00\x01\xff\x10\x00\x03\xe8\x00\x00\x03\x00\x00"}},
		{"telnet", []string{"\xff\xfb\x01\xff\xfd\x18Welcome\r\n\xff\xfd\x2e", ">\xff\xfb\x2e\xff\xfe\x01\xff\xfc\x18\xff\xfa\x2e\x01\xff\xf0", "\xff\xfa\x2e\x01\xff\xf0"}},
	} {
		client, server := pipe(t)
		go script(server, tt.steps)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if _, err := tlsx.StartTLS(ctx, client, tt.protocol, "x.example"); err != nil {
			t.Errorf("%s: StartTLS = %v", tt.protocol, err)
		}
		cancel()
	}
}

// TestStartTLSWrongProtocol meets servers of another protocol, which go on
// waiting after their first words: the error comes at once.
func TestStartTLSWrongProtocol(t *testing.T) {
	greetings := []string{"* OK IMAP ready\r\n", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x0a\r\n", "\x00\x00\x00\x00\x00\x00\x00\x00\r\n"}
	for _, protocol := range tlsx.StartTLSProtocols() {
		for i, greeting := range greetings {
			if protocol == "telnet" || protocol == "imap" && i == 0 {
				continue // any text may come before the negotiation; it is IMAP
			}
			client, server := pipe(t)
			go script(server, []string{greeting})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err := tlsx.StartTLS(ctx, client, protocol, "x.example")
			cancel()
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: StartTLS after %q = %v; want a refusal", protocol, greeting, err)
			}
		}
	}
}

func TestStartTLSSilentPeer(t *testing.T) {
	for _, protocol := range tlsx.StartTLSProtocols() {
		client, _ := pipe(t)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, err := tlsx.StartTLS(ctx, client, protocol, "")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: StartTLS with a silent peer = %v; want %v", protocol, err, context.DeadlineExceeded)
		}
	}
}

func TestStartTLSCancelled(t *testing.T) {
	client, _ := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := tlsx.StartTLS(ctx, client, "smtp", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("StartTLS = %v; want %v", err, context.Canceled)
	}
}

// TestStartTLSEndlessPeer covers the bounds: a server that never stops talking.
func TestStartTLSEndlessPeer(t *testing.T) {
	for _, protocol := range []string{"smtp", "imap", "xmpp", "telnet", "irc"} {
		for _, text := range []string{"220-x\r\n", "x"} {
			client, server := pipe(t)
			go func() {
				for {
					if _, err := io.WriteString(server, strings.Repeat(text, 500)); err != nil {
						return
					}
				}
			}()
			if _, err := tlsx.StartTLS(t.Context(), client, protocol, ""); err == nil {
				t.Errorf("%s: StartTLS with an endless peer succeeds", protocol)
			}
			client.Close()
		}
	}
}

func TestStartTLSUnknownProtocol(t *testing.T) {
	client, _ := pipe(t)
	if _, err := tlsx.StartTLS(t.Context(), client, "gopher", ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("StartTLS(gopher) = %v; want %v", err, errors.ErrUnsupported)
	}
	if !slices.Contains(tlsx.StartTLSProtocols(), "tds") || tlsx.StartTLSPort("imap") != 143 {
		t.Errorf("StartTLSProtocols() = %v", tlsx.StartTLSProtocols())
	}
}

// FuzzStartTLS feeds the dialogues any bytes: they end, without panic.
func FuzzStartTLS(f *testing.F) {
	for i, s := range []string{"220 x\r\n250 STARTTLS\r\n220 x\r\n", "* OK x\r\n* CAPABILITY STARTTLS\r\na1 OK\r\na2 OK\r\n", "S", "\xff\xfd\x2e\xff\xfa\x2e\x01\xff\xf0"} {
		f.Add(uint8(i), []byte(s))
	}
	// TDS goes on with packets inside of which is TLS.
	tds := "\x04\x01\x00\x0f\x00\x00\x00\x00\x01\x00\x06\x00\x01\xff\x01"
	at := uint8(slices.Index(tlsx.StartTLSProtocols(), "tds"))
	for _, rest := range []string{"\x12\x01\x00\x0a\x00\x00\x00\x00ab\x16\x03\x03", "\x12\x01\x00\x00\x00\x00\x00\x00ab", "\x12\x01\x00", "\x04\x01\x00\x08\x00\x00\x00\x00\x04\x01"} {
		f.Add(at, []byte(tds+rest))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		protocols := tlsx.StartTLSProtocols()
		conn, err := tlsx.StartTLS(context.Background(), says(data), protocols[int(which)%len(protocols)], "")
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("hello")) // the peer may have gone
		if n, _ := io.Copy(io.Discard, conn); n > int64(len(data)) {
			t.Errorf("%d bytes come after the dialogue, of %d", n, len(data))
		}
	})
}

// The server's side of the dialogues takes any client: it ends, and agrees to TLS
// only after the word for it.
func FuzzServeStartTLS(f *testing.F) {
	for _, s := range []string{
		"EHLO x\r\nHELP\r\nNOOP\r\nRSET\r\nMAIL FROM:<a>\r\nSTARTTLS\r\n", "LHLO x\r\nSTARTTLS\r\n", "a1 CAPABILITY\r\na2 NOOP\r\na3 LOGIN x y\r\na4 STARTTLS\r\n",
		"CAPA\r\nUSER x\r\nSTLS\r\n", "FEAT\r\nUSER x\r\nAUTH TLS\r\n", "0\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037",
		"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='x'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
		"\x00\x00\x00\x08\x04\xd2\x16\x2f", "CAP LS 302\r\nNICK x\r\nSTARTTLS\r\n", "CAPABILITIES\r\nMODE READER\r\nSTARTTLS\r\n", "CAPABILITY\r\nNOOP\r\nSTARTTLS\r\n",
		"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", "\xff\xfb\x2e\xff\xfa\x2e\x01\xff\xf0", "QUIT\r\n", "a1 LOGOUT\r\n", "EHLO\r\nQUIT\r\n", "\r\n",
	} {
		for i := range tlsx.StartTLSServerProtocols() {
			f.Add(uint8(i), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		protocols := tlsx.StartTLSServerProtocols()
		protocol := protocols[int(which)%len(protocols)]
		_, err := tlsx.ServeStartTLS(context.Background(), says(data), protocol, "a.example")
		binary := slices.Contains([]string{"ldap", "postgres", "mysql", "rdp", "telnet"}, protocol)
		if text := strings.ToUpper(string(data)); err == nil && !binary && !strings.Contains(text, "TLS") && !strings.Contains(text, "AUTH SSL") {
			t.Errorf("%s agrees to TLS after %q", protocol, data)
		}
	})
}
