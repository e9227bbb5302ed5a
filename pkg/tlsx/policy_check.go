package tlsx

import (
	"fmt"
	"slices"
)

func (v *verifier) wantsPolicies() bool {
	o := v.o
	return o.PolicyCheck || len(o.Policies) > 0 || o.ExplicitPolicy || o.InhibitAny || o.InhibitMap
}

// A policyNode is a policy that is valid at one level. Levels form a graph
// (RFC 9618), not the tree of RFC 5280, whose size a CA could make explode.
type policyNode struct {
	policy   oid
	expected []oid
	parents  []*policyNode
}

// A policyState is the state of RFC 5280, section 6.1.2. A count is 0 when
// the indicator is in force.
type policyState struct {
	level                  []*policyNode // nil when the tree is gone
	nodes                  int
	explicit, any, mapping int
}

// maxPolicyNodes bounds the graph.
const maxPolicyNodes = 4096

func (s *policyState) node(p oid) *policyNode { return findPolicy(s.level, p) }

func findPolicy(level []*policyNode, p oid) *policyNode {
	for _, n := range level {
		if n.policy == p {
			return n
		}
	}
	return nil
}

// checkPolicies processes the policies of the chain, the trusted certificate
// left out (RFC 5280, section 6.1).
func (v *verifier) checkPolicies() {
	n := len(v.chain) - 1
	if n == 0 || v.checkPolicyExtensions(n) {
		return
	}
	s := policyState{
		level:    []*policyNode{{policy: oidAnyPolicy, expected: []oid{oidAnyPolicy}}},
		explicit: initialCount(v.o.ExplicitPolicy, n), any: initialCount(v.o.InhibitAny, n), mapping: initialCount(v.o.InhibitMap, n),
	}
	for i := n - 1; i >= 0; i-- {
		c := v.chain[i]
		s.enter(c, i == 0)
		if s.nodes > maxPolicyNodes {
			v.fault(CodeNoExplicitPolicy, 0, "too many policies")
			return
		}
		if s.explicit == 0 && s.level == nil {
			v.fault(CodeNoExplicitPolicy, 0, "no valid policy is left at "+c.Subject.String())
			return
		}
		if i > 0 {
			s.prepare(c)
		}
	}
	s.leave(v.chain[0])
	user := v.userPolicies()
	switch {
	case s.explicit > 0:
	case len(user) == 0 && !v.strictProfile():
		v.fault(CodeNoExplicitPolicy, 0, "no acceptable policies were given") // RFC 5280 takes any, OpenSSL none
	case !s.accepts(user):
		v.fault(CodeNoExplicitPolicy, 0, fmt.Sprintf("none of the policies %v", v.o.Policies))
	}
}

// checkPolicyExtensions reports malformed policy extensions. From the top down
// it looks as far as the outcome is open: not beyond a certificate without
// policies once one is required.
func (v *verifier) checkPolicyExtensions(n int) (bad bool) {
	explicit, empty := initialCount(v.o.ExplicitPolicy, n), false
	for i := n - 1; i >= 0 && (explicit > 0 || !empty) && !bad; i-- {
		c := v.chain[i]
		p := c.ext.policies
		bad = c.ext.invalidPolicy
		empty = empty || p == nil || !p.present
		if explicit > 0 && !c.SelfIssued() {
			explicit--
		}
		if p != nil {
			lowerCount(&explicit, p.explicit)
		}
	}
	for i := 0; bad && i < n; i++ {
		if v.chain[i].ext.invalidPolicy {
			v.fault(CodeInvalidPolicyExtension, i, "")
		}
	}
	return bad
}

func initialCount(inForce bool, n int) int {
	if inForce {
		return 0
	}
	return n + 1
}

func (v *verifier) userPolicies() []oid {
	var list []oid
	for _, p := range v.o.Policies {
		if id, ok := encodeOID(p); ok {
			list = append(list, id)
		}
	}
	return list
}

// enter applies the policies of one certificate (6.1.3 (d) to (f)).
func (s *policyState) enter(c *Certificate, last bool) {
	p := c.ext.policies
	if p == nil || !p.present {
		s.level = nil
		return
	}
	if s.level == nil {
		return
	}
	var next []*policyNode
	add := func(id oid, parents []*policyNode) {
		if len(parents) > 0 && findPolicy(next, id) == nil {
			next = append(next, &policyNode{policy: id, expected: []oid{id}, parents: parents})
		}
	}
	anyParent := s.node(oidAnyPolicy)
	for _, id := range p.policies {
		if id == oidAnyPolicy {
			continue
		}
		parents := s.expecting(id)
		if len(parents) == 0 && anyParent != nil {
			parents = []*policyNode{anyParent}
		}
		add(id, parents)
	}
	if slices.Contains(p.policies, oidAnyPolicy) && (s.any > 0 || !last && c.SelfIssued()) {
		for _, n := range s.level {
			for _, id := range n.expected {
				add(id, s.expecting(id))
			}
		}
	}
	s.level = next
	s.nodes += len(next)
}

func (s *policyState) expecting(id oid) []*policyNode {
	var list []*policyNode
	for _, n := range s.level {
		if slices.Contains(n.expected, id) {
			list = append(list, n)
		}
	}
	return list
}

// prepare makes ready for the next certificate (6.1.4).
func (s *policyState) prepare(c *Certificate) {
	p := c.ext.policies
	if p != nil && len(p.mappings) > 0 {
		s.mapPolicies(p.mappings)
	}
	if !c.SelfIssued() {
		s.explicit, s.mapping, s.any = max(s.explicit-1, 0), max(s.mapping-1, 0), max(s.any-1, 0)
	}
	if p != nil {
		lowerCount(&s.explicit, p.explicit)
		lowerCount(&s.mapping, p.inhibitMap)
		lowerCount(&s.any, p.inhibitAny)
	}
}

func lowerCount(count *int, limit int) {
	if limit >= 0 {
		*count = min(*count, limit)
	}
}

func (s *policyState) mapPolicies(maps []policyMapping) {
	done := make(map[oid]bool)
	for _, m := range maps {
		if done[m.issuer] {
			continue
		}
		done[m.issuer] = true
		if s.mapping == 0 {
			s.level = slices.DeleteFunc(s.level, func(n *policyNode) bool { return n.policy == m.issuer })
			continue
		}
		n := s.node(m.issuer)
		if n == nil {
			anyNode := s.node(oidAnyPolicy)
			if anyNode == nil {
				continue
			}
			n = &policyNode{policy: m.issuer, parents: anyNode.parents}
			s.level = append(s.level, n)
			s.nodes++
		}
		n.expected = nil
		for _, other := range maps {
			if other.issuer == m.issuer && !slices.Contains(n.expected, other.subject) {
				n.expected = append(n.expected, other.subject)
			}
		}
	}
	if len(s.level) == 0 {
		s.level = nil
	}
}

// leave is the wrap-up (6.1.5).
func (s *policyState) leave(c *Certificate) {
	s.explicit = max(s.explicit-1, 0)
	if p := c.ext.policies; p != nil && p.explicit == 0 {
		s.explicit = 0
	}
}

// accepts reports whether one of the user's policies is valid for the path. A
// policy counts by the name it had where it left the any policy.
func (s *policyState) accepts(user []oid) bool {
	if len(s.level) == 0 {
		return false
	}
	if len(user) == 0 || slices.Contains(user, oidAnyPolicy) {
		return true
	}
	seen := make(map[*policyNode]bool)
	var reaches func(n *policyNode) bool
	reaches = func(n *policyNode) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		for _, p := range n.parents {
			if p.policy != oidAnyPolicy {
				if reaches(p) {
					return true
				}
			} else if slices.Contains(user, n.policy) {
				return true
			}
		}
		return false
	}
	for _, n := range s.level {
		if n.policy == oidAnyPolicy || reaches(n) {
			return true
		}
	}
	return false
}
