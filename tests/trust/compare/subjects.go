// Rules over subjects (x509/subject_rule.h), and subjects that try to get past them.
package main

import "strings"

// The pattern for one attribute: the text between its stars.
type pattern struct {
	kind  string
	parts []string
}

type SubjectRule struct {
	text string
	rdns [][]pattern // in the order of a Name
}

// A rule made from `subject`. The subject of the scenario's leaf may be changed so that the rule no longer matches.
func ruleFor(g *generator, subject Name) SubjectRule {
	var rule SubjectRule
	for _, rdn := range subject {
		var patterns []pattern
		for _, a := range rdn {
			patterns = append(patterns, pattern{a.kind, pick(g, []string{a.value}, []string{a.value}, []string{"", ""},
				[]string{a.value[:1], ""}, []string{"other"})})
		}
		rule.rdns = append(rule.rdns, patterns)
	}
	rule.text = rule.String()
	leaf := g.path[0]
	switch g.weighted(40, 20, 20, 20) {
	case 1: // everything in one attribute
		flat := subject[len(subject)-1][0].value
		for i := len(subject) - 2; i >= 0; i-- {
			flat += "," + subject[i][0].kind + "=" + subject[i][0].value
		}
		leaf.subject = commonName(flat)
	case 2: // one more RDN
		leaf.subject = append(append(Name{}, subject...), []Attribute{{kind: "OU", value: "more"}})
	case 3: // RDNs joined into one
		leaf.subject = Name{}
		for _, rdn := range subject {
			if len(leaf.subject) == 1 {
				leaf.subject[0] = append(append([]Attribute{}, leaf.subject[0]...), rdn...)
			} else {
				leaf.subject = append(leaf.subject, rdn)
			}
		}
	}
	return rule
}

func (r SubjectRule) String() string {
	var rdns []string
	for i := len(r.rdns) - 1; i >= 0; i-- {
		var attributes []string
		for _, p := range r.rdns[i] {
			var parts []string
			for _, part := range p.parts {
				parts = append(parts, escaped(part))
			}
			attributes = append(attributes, p.kind+"="+strings.Join(parts, "*"))
		}
		rdns = append(rdns, strings.Join(attributes, "+"))
	}
	return strings.Join(rdns, ",")
}

func escaped(value string) string {
	var b strings.Builder
	for _, r := range value {
		if strings.ContainsRune(`,+"\<>;*=#`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (r SubjectRule) matches(subject Name) bool {
	if len(subject) != len(r.rdns) {
		return false
	}
	for i, rdn := range subject {
		if len(rdn) != len(r.rdns[i]) {
			return false
		}
		for _, p := range r.rdns[i] {
			found := false
			for _, a := range rdn {
				found = found || a.kind == p.kind && p.matches(a.value)
			}
			if !found {
				return false
			}
		}
	}
	return true
}

func (p pattern) matches(value string) bool {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if len(p.parts) == 1 {
		return value == first
	}
	if len(value) < len(first)+len(last) || !strings.HasPrefix(value, first) || !strings.HasSuffix(value, last) {
		return false
	}
	value = value[len(first) : len(value)-len(last)]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		at := strings.Index(value, part)
		if at < 0 {
			return false
		}
		value = value[at+len(part):]
	}
	return true
}
