package tlsx

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
)

// maxSessions bounds the sessions kept of one connection.
const maxSessions = 8

const sessionPEMType = "BRIO TLS SESSION"

// A Session is what a client needs to resume a connection. It holds secrets.
type Session struct {
	state *tls.ClientSessionState
}

// MarshalText encodes s as a PEM block.
func (s *Session) MarshalText() ([]byte, error) {
	ticket, state, err := s.state.ResumptionState()
	if err != nil {
		return nil, err
	}
	if state == nil {
		return nil, errors.New("the session can not be resumed")
	}
	raw, err := state.Bytes()
	if err != nil {
		return nil, err
	}
	body := binary.BigEndian.AppendUint32(nil, uint32(len(ticket)))
	body = append(append(body, ticket...), raw...)
	return pem.EncodeToMemory(&pem.Block{Type: sessionPEMType, Bytes: body}), nil
}

// ParseSession reads what [Session.MarshalText] wrote.
func ParseSession(text []byte) (*Session, error) {
	b, rest := pem.Decode(text)
	if b == nil || b.Type != sessionPEMType || len(bytes.TrimSpace(rest)) != 0 || len(b.Bytes) < 4 {
		return nil, fmt.Errorf("TLS session: %w", errMalformed)
	}
	n, body := binary.BigEndian.Uint32(b.Bytes), b.Bytes[4:]
	if uint64(n) > uint64(len(body)) {
		return nil, fmt.Errorf("TLS session: %w", errMalformed)
	}
	state, err := tls.ParseSessionState(body[n:])
	if err != nil {
		return nil, fmt.Errorf("TLS session: %w", err)
	}
	cs, err := tls.NewResumptionState(body[:n], state)
	if err != nil {
		return nil, fmt.Errorf("TLS session: %w", err)
	}
	return &Session{cs}, nil
}

// sessionCache offers one session and collects those the server issues. It
// serves one connection, so the key is of no interest.
type sessionCache struct {
	mu       sync.Mutex
	offer    *tls.ClientSessionState
	got      []*Session
	onTicket func()
}

func (c *sessionCache) Get(string) (*tls.ClientSessionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offer, c.offer != nil
}

func (c *sessionCache) Put(_ string, s *tls.ClientSessionState) {
	if s == nil {
		return // crypto/tls forgets a session that did not work
	}
	c.mu.Lock()
	if len(c.got) == maxSessions {
		c.got = c.got[1:]
	}
	c.got = append(c.got, &Session{s})
	notify := c.onTicket
	c.mu.Unlock()
	if notify != nil {
		notify()
	}
}

func (c *sessionCache) last() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.got) == 0 {
		return nil
	}
	return c.got[len(c.got)-1]
}

func (c *sessionCache) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// notify has f called when a session arrives. It reports false when one is
// there already.
func (c *sessionCache) notify(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onTicket = f
	return len(c.got) == 0
}
