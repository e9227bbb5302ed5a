package dnsq

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mediaType is that of messages in wire format (RFC 8484 section 6).
const mediaType = "application/dns-message"

// An HTTPError reports that a server of DNS over HTTPS answered with something
// else than a DNS message. It wraps [ErrServerFailure].
type HTTPError struct {
	Status string // "503 Service Unavailable"
	Type   string // media type of the body
	Body   string // its beginning, control characters escaped
}

func (e *HTTPError) Error() string {
	s := "HTTP status " + e.Status
	if e.Status == "200 OK" {
		s = fmt.Sprintf("HTTP body of type %q, not %s", e.Type, mediaType)
	}
	if e.Body != "" {
		s += ": " + e.Body
	}
	return s
}

// Unwrap returns [ErrServerFailure].
func (e *HTTPError) Unwrap() error { return ErrServerFailure }

// roundTripHTTPS sends a message and returns the reply, and for how many seconds a
// cache of HTTP has kept it: they count (RFC 8484 section 5.1).
func (c *Client) roundTripHTTPS(ctx context.Context, server Server, wire []byte, t *Timing) (reply []byte, age uint32, err error) {
	var phases httpPhases
	req, err := c.httpRequest(httptrace.WithClientTrace(ctx, phases.trace()), server, wire)
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	t.Sent++
	resp, err := c.httpClient(server).Do(req)
	if err != nil {
		phases.report(t, time.Since(start))
		return nil, 0, httpFailure(server, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage+1))
	phases.report(t, time.Since(start))
	if err != nil {
		return nil, 0, err
	}
	if err := checkHTTP(resp, body); err != nil {
		return nil, 0, err
	}
	if len(body) > maxMessage {
		t.Invalid++
		return nil, 0, &InvalidReplyError{1, "longer than 65535 octets"}
	}
	seconds, err := strconv.ParseUint(resp.Header.Get("Age"), 10, 31)
	if err != nil {
		seconds = 0 // there is none, or it makes no sense
	}
	return body, uint32(seconds), nil
}

// httpPhases collects when the phases of a request began and ended. The HTTP
// client calls back from goroutines of its own, even after the request ended.
type httpPhases struct {
	mu                           sync.Mutex
	connectStart, handshakeStart time.Time
	connect, handshake           time.Duration
}

func (p *httpPhases) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		ConnectStart:      func(string, string) { p.set(func() { p.connectStart = time.Now() }) },
		ConnectDone:       func(string, string, error) { p.set(func() { p.connect = time.Since(p.connectStart) }) },
		TLSHandshakeStart: func() { p.set(func() { p.handshakeStart = time.Now() }) },
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			p.set(func() { p.handshake = time.Since(p.handshakeStart) })
		},
	}
}

func (p *httpPhases) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// report writes the phases of a request that took total to t.
func (p *httpPhases) report(t *Timing, total time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Connect, t.Handshake = p.connect, p.handshake
	t.Query = total - p.connect - p.handshake
}

// httpFailure takes away the wrapping that repeats method and address.
func httpFailure(server Server, err error) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var (
		verify *tls.CertificateVerificationError
		pin    *PinError
		record tls.RecordHeaderError
		alert  tls.AlertError
	)
	if errors.As(err, &verify) || errors.As(err, &pin) || errors.As(err, &record) || errors.As(err, &alert) {
		return handshakeError(server, err)
	}
	return err
}

// httpRequest is the request that carries wire.
func (c *Client) httpRequest(ctx context.Context, server Server, wire []byte) (*http.Request, error) {
	address := server.url(strings.ReplaceAll(server.Host, "%", "%25")) // RFC 6874 section 2
	if !c.HTTPGet {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(wire))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", mediaType)
		req.Header.Set("Accept", mediaType)
		return req, nil
	}
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	address += separator + "dns=" + base64.RawURLEncoding.EncodeToString(wire)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", mediaType)
	return req, nil
}

// checkHTTP refuses what does not hold a DNS message.
func checkHTTP(resp *http.Response, body []byte) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode == http.StatusOK && kind == mediaType {
		return nil
	}
	const excerpt = 120
	text := strings.Join(strings.Fields(string(body[:min(len(body), excerpt)])), " ")
	return &HTTPError{resp.Status, kind, escapeText(text)}
}

// httpClient is the HTTP client of c. Server name and pins belong to the server,
// so the configuration is made per connection.
func (c *Client) httpClient(server Server) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http == nil {
		c.http = map[string]*http.Client{}
	}
	key := server.identity()
	if c.http[key] == nil {
		c.http[key] = &http.Client{
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return c.dial(ctx, network, server)
				},
				TLSClientConfig:        c.tlsConfig(server, "h2", "http/1.1"),
				ForceAttemptHTTP2:      true,
				MaxResponseHeaderBytes: 64 << 10,
				IdleConnTimeout:        time.Minute,
				MaxIdleConnsPerHost:    maxStreams, // without HTTP/2 each request has one
			},
			// A redirect would take the question to a server nobody chose.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return c.http[key]
}
