package tlsx

import (
	"context"
	"fmt"
	"slices"
)

// maxFetched bounds the issuers that are fetched for one chain, maxIssuerURLs the
// addresses that are tried for one of them.
const (
	maxFetched    = 8
	maxIssuerURLs = 4
)

// FetchIssuers completes a chain whose intermediates the peer did not send: it
// asks fetch for the addresses that the certificates name for their issuers
// (RFC 5280, section 4.2.2.1) until a self-signed certificate or one of known
// is reached. It returns the certificates found. What could not be had is in
// the error, which comes beside what could.
func FetchIssuers(ctx context.Context, chain []*Certificate, known *Store, fetch func(ctx context.Context, url string) ([]byte, error)) ([]*Certificate, error) {
	if len(chain) == 0 {
		return nil, nil
	}
	var found []*Certificate
	cur, seen := chain[0], []*Certificate(nil)
	for len(found) < maxFetched {
		if slices.Contains(seen, cur) {
			return found, nil // certificates that vouch for each other
		}
		seen = append(seen, cur)
		if cur.SelfSigned() || known != nil && issuerIn(known.bySubject(cur.Issuer), cur) != nil {
			return found, nil
		}
		if next := issuerIn(slices.Concat(chain, found), cur); next != nil {
			cur = next
			continue
		}
		next, err := fetchIssuer(ctx, cur, fetch)
		if err != nil {
			return found, err
		}
		found = append(found, next)
		cur = next
	}
	return found, fmt.Errorf("more than %d issuers to fetch", maxFetched)
}

func issuerIn(certs []*Certificate, c *Certificate) *Certificate {
	for _, p := range certs {
		if !p.Equal(c) && likelyIssued(p, c) == CodeOK {
			return p
		}
	}
	return nil
}

func fetchIssuer(ctx context.Context, c *Certificate, fetch func(context.Context, string) ([]byte, error)) (*Certificate, error) {
	urls := c.IssuerURLs()
	if len(urls) == 0 {
		return nil, fmt.Errorf("%s: the certificate names no address for its issuer", c.Subject)
	}
	var last error
	for _, url := range urls[:min(len(urls), maxIssuerURLs)] {
		data, err := fetch(ctx, url)
		if err != nil {
			last = err
			continue
		}
		certs, err := issuersIn(data)
		if err != nil {
			last = fmt.Errorf("%s: %w", url, err)
			continue
		}
		if p := issuerIn(certs, c); p != nil {
			return p, nil
		}
		last = fmt.Errorf("%s: not the issuer's certificate", url)
	}
	return nil, last
}

// issuersIn reads what such an address may answer: a certificate, or a PKCS #7
// list of them, in DER or PEM. It reads nothing else: opening a PKCS #12 file,
// even with no password, costs what its author likes.
func issuersIn(data []byte) ([]*Certificate, error) {
	blocks := pemBlocks(data)
	if len(blocks) == 0 {
		v, err := parseDER(data, tagSequence)
		if err != nil {
			return nil, err
		}
		typ := "CERTIFICATE"
		if kids, err := v.children(4); err == nil && len(kids) > 0 && kids[0].is(tagOID) {
			typ = "PKCS7"
		}
		blocks = []pemBlock{{typ: typ, data: v.full}}
	}
	var certs []*Certificate
	for _, b := range blocks {
		switch b.typ {
		case "CERTIFICATE", "X509 CERTIFICATE", "PKCS7", "CMS":
		default:
			continue
		}
		found, err := objectsOfBlock(b, nil)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			if o.Certificate != nil {
				certs = append(certs, o.Certificate)
			}
		}
	}
	return certs, nil
}
