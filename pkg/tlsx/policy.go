package tlsx

import (
	"errors"
	"fmt"
)

// A policyCache holds the policy extensions of one certificate.
type policyCache struct {
	present  bool // Certificate Policies is there
	critical bool
	policies []oid
	mappings []policyMapping
	// The counts of the constraints, -1 when absent.
	explicit, inhibitMap, inhibitAny int
}

type policyMapping struct{ issuer, subject oid }

func (p *policyCache) read(e *Extension) error {
	switch e.id {
	case oidPolicies:
		return p.readPolicies(e)
	case oidPolicyMaps:
		return p.readMappings(e)
	case oidPolicyConstr:
		return p.readConstraints(e)
	}
	d := e.reader()
	var err error
	p.inhibitAny, err = skipCount(&d, tagInteger, classUniversal)
	return err
}

// errNoPolicies is a defect that OpenSSL does not mind.
var errNoPolicies = errors.New("no policies")

func (p *policyCache) readPolicies(e *Extension) error {
	items, err := e.items()
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return errNoPolicies
	}
	p.present, p.critical = true, e.Critical
	seen := make(map[oid]bool, len(items))
	for _, it := range items {
		if !it.is(tagSequence) || !it.constructed {
			return errors.New("a policy is not a SEQUENCE")
		}
		d := it.inside()
		id, err := d.want(tagOID)
		if err != nil {
			return err
		}
		if !oid(id.content).wellFormed() {
			return errors.New("a policy is not an OBJECT IDENTIFIER")
		}
		if seen[oid(id.content)] {
			return fmt.Errorf("policy %s twice", oid(id.content))
		}
		seen[oid(id.content)] = true
		p.policies = append(p.policies, oid(id.content))
	}
	return nil
}

func (p *policyCache) readMappings(e *Extension) error {
	items, err := e.items()
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return errors.New("no mappings")
	}
	for _, it := range items {
		d := it.inside()
		a, err1 := d.want(tagOID)
		b, err2 := d.want(tagOID)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		m := policyMapping{oid(a.content), oid(b.content)}
		if m.issuer == oidAnyPolicy || m.subject == oidAnyPolicy {
			return errors.New("the any policy is mapped")
		}
		p.mappings = append(p.mappings, m)
	}
	return nil
}

func (p *policyCache) readConstraints(e *Extension) error {
	v, err := e.value(tagSequence)
	if err != nil {
		return err
	}
	d := v.inside()
	if d.empty() {
		return errors.New("no constraints")
	}
	if d.peek(classContext, 0) {
		if p.explicit, err = skipCount(&d, 0, classContext); err != nil {
			return err
		}
	}
	if d.peek(classContext, 1) {
		if p.inhibitMap, err = skipCount(&d, 1, classContext); err != nil {
			return err
		}
	}
	if !d.empty() {
		return errors.New("unexpected element")
	}
	return nil
}

// skipCount reads a SkipCerts, a number of certificates.
func skipCount(d *der, tag, class int) (int, error) {
	v, err := d.next()
	switch {
	case err != nil:
		return -1, err
	case v.class != class || v.tag != tag || v.constructed || len(v.content) == 0:
		return -1, errors.New("not an INTEGER")
	}
	n := bigInt(v.content)
	switch {
	case n.Sign() < 0:
		return -1, errors.New("negative number of certificates")
	case !n.IsInt64() || n.Int64() > 1<<20:
		return 1 << 20, nil
	}
	return int(n.Int64()), nil
}
