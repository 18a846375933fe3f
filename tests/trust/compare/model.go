// The expected verdict on a scenario. The model knows how each certificate was made, so it needs neither DER nor signatures:
// it walks every path that the names and keys allow, and one good path is enough. Without rules it must agree with Go's
// crypto/x509, with all rules it must agree with kferry, on every scenario. A rule is therefore exactly one difference
// between the two, and no difference passes without a rule.
package main

import (
	"bytes"
	"crypto/x509"
	"math/rand"
	"net"
	"sort"
	"strings"
	"time"
)

// One way in which kferry and crypto/x509 differ.
type Rule int

const (
	selfIssuedFree Rule = iota
	version1Root
	hostInCommonName
	commonNameConstrained
	directoriesConstrained
	selfIssuedUnconstrained
	authoritiesConstrained
	wildcardExcluded
	ownNamesConstrained
	leafKeyUsageForTLS
	issuerKeyNamed
	revokedAnchor
	listedAnchor
	selfIssuedUnnamed
	namesByMeaning
	ruleCount
)

var rules = [ruleCount]struct {
	name    string
	depends bool // on the version of Go: some agree with kferry
	reason  string
}{
	selfIssuedFree: {"self-issued authorities do not count towards the path length", false,
		"RFC 5280 §6.1.4 (l) counts intermediates that are not self-issued; Go counts all"},
	version1Root: {"a version 1 certificate is an authority only as a self-signed root for brokers", false,
		"it cannot state that it is an authority; Go accepts any version 1 anchor"},
	hostInCommonName: {"the common name may be the host", false,
		"if there are no DNS names, as in Java and OpenSSL; Go ignores common names"},
	commonNameConstrained: {"DNS constraints apply to a host in the common name", false,
		"what may serve as a name is constrained like a name"},
	directoriesConstrained: {"constraints on directory names are enforced", false,
		"Go refuses an authority that has one and marks it critical"},
	selfIssuedUnconstrained: {"constraints do not apply to self-issued authorities", false,
		"RFC 5280 §6.1.3 (b), (c) exempt them; Go does not"},
	authoritiesConstrained: {"constraints apply to intermediates", true,
		"RFC 5280 §6.1.3 (b), (c); older versions of Go check the leaf only"},
	wildcardExcluded: {"an excluded host excludes a wildcard that covers it", true,
		"CVE-2025-61727; older versions of Go accept it"},
	ownNamesConstrained: {"constraints do not apply to the authority that sets them", true,
		"RFC 5280 §4.2.1.10; older versions of Go apply them"},
	leafKeyUsageForTLS: {"the leaf's key usage must include digitalSignature", false,
		"RFC 8446 §4.4.2.2; Go does not check"},
	issuerKeyNamed: {"an authority key identifier must match the issuer's key", false,
		"as in OpenSSL; Go treats it as a hint"},
	revokedAnchor: {"a revoked certificate of the trust store vouches for nothing", false,
		"the lists that another certificate there has signed count; Go's chains end at the anchor"},
	listedAnchor: {"an anchor whose issuer is in the trust store needs a list", false,
		"an intermediate stored beside its root is still revocable; Go's chains end at the anchor"},
	selfIssuedUnnamed: {"a self-issued certificate that names no other key counts as self-signed", false,
		"libcrypto looks for no other issuer"},
	namesByMeaning: {"names are compared by meaning", false,
		"RFC 5280 §7.1: case and the type of string are ignored; Go compares bytes"},
}

type Rules uint

// Everything but ownNamesConstrained, which only some versions of Go do.
const kferryRules Rules = (1<<ruleCount - 1) &^ (1 << ownNamesConstrained)

// The rules that depend on the version of Go, probed with a chain each.
var goRules = func() Rules {
	var found Rules
	keys := []*Key{newKey(p256, 0), newKey(p256, 1), newKey(p256, 2)}
	for _, rule := range []Rule{authoritiesConstrained, wildcardExcluded, ownNamesConstrained} {
		g := &generator{s: &Scenario{role: brokerRole, now: time.Now()}, random: rand.New(rand.NewSource(1)), quick: keys}
		root := g.issueAuthority("Root", nil)
		ca := g.issueAuthority("CA", root)
		leaf := g.issue("leaf", commonName("leaf"), ca)
		leaf.dnsNames = []string{"*.example.com"}
		switch rule {
		case authoritiesConstrained:
			root.excluded, ca.dnsNames = &Subtrees{dns: []string{"example.org"}}, []string{"example.org"}
		case wildcardExcluded:
			root.excluded = &Subtrees{dns: []string{"a.example.com"}}
		case ownNamesConstrained:
			ca.excluded, ca.dnsNames = &Subtrees{dns: []string{"example.org"}}, []string{"example.org"}
		}
		g.s.anchors, g.s.chain = []*CertificateSpec{root}, []*CertificateSpec{leaf, ca}
		if objectionOfGo(g.s.question()) != "" {
			found |= 1 << rule
		}
	}
	return found
}()

func (r Rules) has(rule Rule) bool    { return r&(1<<rule) != 0 }
func (r Rules) other(rule Rule) Rules { return r ^ 1<<rule }

// Objections.
const (
	expired         = "expired"
	notYetValid     = "not valid yet"
	revoked         = "revoked"
	noList          = "no list"
	untrusted       = "no path to an anchor"
	notAllowed      = "not an authority"
	tooLong         = "path length"
	constrained     = "name constraints"
	wrongUsage      = "extended key usage"
	wrongKeyUsage   = "key usage"
	unknownCritical = "critical extension"
	weakSignature   = "weak signature"
	namesake        = "a namesake of the issuer"
	wrongHost       = "host"
	wrongSubject    = "subject"
)

// Kferry's causes for each.
var causes = map[string]string{
	expired:         "certificate_expired",
	notYetValid:     "certificate_not_yet_valid",
	revoked:         "certificate_revoked",
	noList:          "revocations_missing revocations_expired revocations_unusable",
	notAllowed:      "certificate_untrusted",
	tooLong:         "certificate_untrusted",
	constrained:     "certificate_untrusted",
	wrongUsage:      "certificate_purpose",
	wrongKeyUsage:   "certificate_purpose",
	unknownCritical: "certificate_invalid certificate_malformed", // the latter by wolfSSL
	weakSignature:   "certificate_invalid",
	wrongHost:       "certificate_not_allowed",
	wrongSubject:    "certificate_not_allowed",
}

// The judgement of one scenario under some rules.
type Opinion struct {
	good  []path
	wrong map[string]bool // every objection to any path; meaningful only without a good one
}

func (o Opinion) accepts() bool { return len(o.good) > 0 }

// Whether kferry's cause fits one of the objections.
func (o Opinion) explains(cause string) bool {
	if o.wrong[untrusted] || o.wrong[namesake] { // any objection to a path that leads nowhere is fair
		return true
	}
	for word := range o.wrong {
		for _, known := range strings.Fields(causes[word]) {
			if cause == known {
				return true
			}
		}
	}
	return false
}

func (o Opinion) String() string {
	if o.accepts() {
		var words []string
		for _, p := range o.good {
			words = append(words, p.String())
		}
		return "acceptable by " + strings.Join(words, "; or by ")
	}
	var words []string
	for word := range o.wrong {
		words = append(words, word)
	}
	sort.Strings(words)
	return "not acceptable: " + strings.Join(words, ", ")
}

type path []*CertificateSpec // the leaf first, the anchor last

func (p path) String() string {
	var labels []string
	for _, c := range p {
		labels = append(labels, c.label)
	}
	return strings.Join(labels, " ← ")
}

type model struct {
	s       *Scenario
	rules   Rules
	pool    []*CertificateSpec
	opinion Opinion
}

func opinionOf(s *Scenario, rules Rules) Opinion {
	m := &model{s: s, rules: rules, opinion: Opinion{wrong: map[string]bool{}}}
	seen := map[*CertificateSpec]bool{}
	for _, c := range append(append([]*CertificateSpec{}, s.anchors...), s.chain...) {
		if !seen[c] {
			seen[c] = true
			m.pool = append(m.pool, c)
		}
	}
	m.follow(path{s.leaf()})
	return m.opinion
}

func (m *model) isAnchor(c *CertificateSpec) bool {
	for _, anchor := range m.s.anchors {
		if anchor == c {
			return true
		}
	}
	return false
}

func (m *model) follow(p path) {
	last := p[len(p)-1]
	if m.isAnchor(last) {
		wrong := m.objections(p)
		for word := range wrong {
			m.opinion.wrong[word] = true
		}
		if len(wrong) == 0 {
			m.opinion.good = append(m.opinion.good, append(path{}, p...))
		}
	}
	goesOn := m.isAnchor(last) && !(m.rules.has(revokedAnchor) && m.revokedAtLoad(last))
	for _, c := range m.pool {
		if m.issued(c, last) && !p.contains(c) {
			goesOn = true
			m.follow(append(p[:len(p):len(p)], c))
		} else if m.same(c.subject, last.issuer) && c.key != last.signer {
			m.opinion.wrong[namesake] = true
		}
	}
	if !goesOn {
		m.opinion.wrong[untrusted] = true
	}
}

func (p path) contains(c *CertificateSpec) bool {
	for _, other := range p {
		if other == c || other.key == c.key && bytes.Equal(other.subject.der(), c.subject.der()) {
			return true
		}
	}
	return false
}

// The paths that begin with `p`, which was sent, and continue with anchors only.
func (m *model) completions(p path) []path {
	var all []path
	if m.isAnchor(p[len(p)-1]) {
		all = append(all, p)
	}
	for _, anchor := range m.s.anchors {
		if m.issued(anchor, p[len(p)-1]) && !p.contains(anchor) {
			all = append(all, m.completions(append(p[:len(p):len(p)], anchor))...)
		}
	}
	return all
}

func (m *model) same(a, b Name) bool {
	return bytes.Equal(a.der(), b.der()) || m.rules.has(namesByMeaning) && a.means(b)
}

func (m *model) issued(issuer, c *CertificateSpec) bool {
	if !m.same(issuer.subject, c.issuer) || issuer.key != c.signer {
		return false
	}
	if m.rules.has(selfIssuedUnnamed) && issuer != c && m.same(c.issuer, c.subject) && c.key.kind == c.signer.kind &&
		(c.version == 1 || c.omitKeyIDs || c.signerID == nil || bytes.Equal(c.signerID, c.key.id)) {
		return false
	}
	named := c.version == 3 && !c.omitKeyIDs && c.signerID != nil && issuer.version == 3 && !issuer.omitKeyIDs
	return !m.rules.has(issuerKeyNamed) || !named || bytes.Equal(c.signerID, issuer.key.id)
}

func (m *model) objections(p path) map[string]bool {
	wrong := map[string]bool{}
	object := func(here bool, word string) {
		if here {
			wrong[word] = true
		}
	}
	intermediates := 0
	for i, c := range p {
		object(m.s.now.After(c.notAfter), expired)
		object(m.s.now.Before(c.notBefore), notYetValid)
		object(c.version == 3 && c.unknownCritical, unknownCritical)
		object(i+1 < len(p) && c.sha1 && c.signer.kind != ed25519Key, weakSignature)
		if i > 0 {
			object(!m.mayIssue(c, i+1 == len(p)), notAllowed)
			object(c.version == 3 && c.basic == authority && c.pathLength >= 0 && intermediates > c.pathLength, tooLong)
			if !m.rules.has(selfIssuedFree) || !m.same(c.issuer, c.subject) {
				intermediates++
			}
			m.constrain(p[:i], c, wrong)
		}
		m.checkUsage(c, i == 0, wrong)
	}
	m.checkHost(wrong)
	m.checkSubject(wrong)
	m.checkRevocation(p, wrong)
	return wrong
}

func (m *model) mayIssue(c *CertificateSpec, isAnchor bool) bool {
	if c.version == 1 {
		selfSigned := m.same(c.issuer, c.subject) && c.signer.kind == c.key.kind
		return isAnchor && (m.s.role == brokerRole && selfSigned || !m.rules.has(version1Root))
	}
	return c.basic == authority && (c.keyUsage == 0 || c.keyUsage&x509.KeyUsageCertSign != 0)
}

func (m *model) checkUsage(c *CertificateSpec, isLeaf bool, wrong map[string]bool) {
	if c.version != 3 {
		return
	}
	asked := x509.ExtKeyUsageServerAuth
	if m.s.role == clientRole {
		asked = x509.ExtKeyUsageClientAuth
	}
	allowed := len(c.extKeyUsage) == 0
	for _, usage := range c.extKeyUsage {
		allowed = allowed || usage == asked || usage == x509.ExtKeyUsageAny
	}
	if !allowed {
		wrong[wrongUsage] = true
	}
	if isLeaf && m.rules.has(leafKeyUsageForTLS) && c.keyUsage != 0 && c.keyUsage&x509.KeyUsageDigitalSignature == 0 {
		wrong[wrongKeyUsage] = true
	}
}

// --- names

func (m *model) constrain(below path, c *CertificateSpec, wrong map[string]bool) {
	if c.version != 3 || c.permitted == nil && c.excluded == nil {
		return
	}
	byDirectory := c.permitted != nil && c.permitted.directories != nil || c.excluded != nil && c.excluded.directories != nil
	if byDirectory && !m.rules.has(directoriesConstrained) {
		wrong[unknownCritical] = true
		return
	}
	if m.rules.has(ownNamesConstrained) {
		below = append(below[:len(below):len(below)], c)
	}
	for i, named := range below {
		selfIssued := i > 0 && m.same(named.issuer, named.subject)
		if selfIssued && m.rules.has(selfIssuedUnconstrained) || i > 0 && named != c && !m.rules.has(authoritiesConstrained) {
			continue
		}
		if m.rules.has(directoriesConstrained) && !allowedDirectory(named.subject, c) {
			wrong[constrained] = true
		}
		var names []string
		var addresses []net.IP
		if named.version == 3 {
			names, addresses = named.dnsNames, named.addresses
		}
		if i == 0 && m.rules.has(commonNameConstrained) && len(names) == 0 {
			if common := commonNameOf(named.subject); strings.Contains(common, ".") {
				names = []string{common}
			}
		}
		for _, name := range names {
			if !allowedName(name, c) || m.rules.has(wildcardExcluded) && meansExcluded(name, c) {
				wrong[constrained] = true
			}
		}
		for _, address := range addresses {
			if !allowedAddress(address, c) {
				wrong[constrained] = true
			}
		}
	}
}

func allowedName(name string, c *CertificateSpec) bool {
	within := func(trees *Subtrees) bool {
		for _, tree := range trees.dns {
			if strings.EqualFold(name, tree) || strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(tree)) {
				return true
			}
		}
		return false
	}
	return !(c.excluded != nil && within(c.excluded)) &&
		!(c.permitted != nil && len(c.permitted.dns) > 0 && !within(c.permitted))
}

func meansExcluded(name string, c *CertificateSpec) bool {
	if !strings.HasPrefix(name, "*.") || c.excluded == nil {
		return false
	}
	for _, tree := range c.excluded.dns {
		if dot := strings.Index(tree, "."); dot > 0 && strings.EqualFold(tree[dot:], name[1:]) {
			return true
		}
	}
	return false
}

func allowedAddress(address net.IP, c *CertificateSpec) bool {
	within := func(trees *Subtrees) bool {
		for _, network := range trees.addresses {
			if network.Contains(address) {
				return true
			}
		}
		return false
	}
	return !(c.excluded != nil && within(c.excluded)) &&
		!(c.permitted != nil && len(c.permitted.addresses) > 0 && !within(c.permitted))
}

func allowedDirectory(subject Name, c *CertificateSpec) bool {
	within := func(trees *Subtrees) bool {
		for _, tree := range trees.directories {
			if len(tree) <= len(subject) && bytes.Equal(tree.der(), subject[:len(tree)].der()) {
				return true
			}
		}
		return false
	}
	return !(c.excluded != nil && within(c.excluded)) &&
		!(c.permitted != nil && len(c.permitted.directories) > 0 && !within(c.permitted))
}

func commonNameOf(subject Name) string {
	common := ""
	for _, rdn := range subject {
		for _, a := range rdn {
			if a.kind == "CN" {
				common = a.value
			}
		}
	}
	return common
}

func (m *model) checkHost(wrong map[string]bool) {
	if m.s.host == "" {
		return
	}
	leaf := m.s.leaf()
	var names []string
	var addresses []net.IP
	if leaf.version == 3 {
		names, addresses = leaf.dnsNames, leaf.addresses
	}
	if address := net.ParseIP(m.s.host); address != nil {
		for _, own := range addresses {
			if own.Equal(address) {
				return
			}
		}
		wrong[wrongHost] = true
		return
	}
	if len(names) == 0 && m.rules.has(hostInCommonName) {
		names = []string{commonNameOf(leaf.subject)}
	}
	for _, name := range names {
		if namesHost(name, m.s.host) {
			return
		}
	}
	wrong[wrongHost] = true
}

// A star matches only as the whole leftmost label.
func namesHost(name, host string) bool {
	if strings.HasPrefix(name, "*.") {
		dot := strings.Index(host, ".")
		return dot > 0 && strings.EqualFold(name[1:], host[dot:])
	}
	return !strings.Contains(name, "*") && strings.EqualFold(name, host)
}

func (m *model) checkSubject(wrong map[string]bool) {
	for _, rule := range m.s.subjects {
		if rule.matches(m.s.leaf().subject) {
			return
		}
	}
	if len(m.s.subjects) > 0 {
		wrong[wrongSubject] = true
	}
}

// --- revocation

// Every certificate below the anchor needs a current list from its issuer.
func (m *model) checkRevocation(p path, wrong map[string]bool) {
	if len(m.s.lists) == 0 {
		return
	}
	for i := 0; i+1 < len(p); i++ {
		if list := m.listFor(p[i], p[i+1:]); list == nil {
			wrong[noList] = true
		} else if list.names(p[i]) {
			wrong[revoked] = true
		}
	}
	anchor := p[len(p)-1]
	if m.rules.has(revokedAnchor) && m.revokedAtLoad(anchor) {
		wrong[revoked] = true
	}
	if issuers := m.issuersOf(anchor); len(p) > 1 && m.rules.has(listedAnchor) && len(issuers) > 0 &&
		m.listFor(anchor, issuers) == nil {
		wrong[noList] = true
	}
}

// The authorities of the trust store that issued another certificate there.
func (m *model) issuersOf(anchor *CertificateSpec) (issuers []*CertificateSpec) {
	for _, c := range m.s.anchors {
		if c != anchor && m.issued(c, anchor) && m.mayIssue(c, true) && !m.revokedAtLoad(c) {
			issuers = append(issuers, c)
		}
	}
	return issuers
}

// Whether the newest list signed by a certificate of the trust store revokes the anchor, even if the list is outdated by now.
func (m *model) revokedAtLoad(anchor *CertificateSpec) bool {
	for _, issuer := range m.s.anchors {
		var newest *ListSpec
		for _, list := range m.s.lists {
			if m.same(list.issuer, anchor.issuer) && list.signer == issuer.key && m.same(list.issuer, issuer.subject) &&
				!m.s.loadedAt.Before(list.thisUpdate) && (newest == nil || list.thisUpdate.After(newest.thisUpdate)) {
				newest = list
			}
		}
		if newest != nil && newest.names(anchor) {
			return true
		}
	}
	return false
}

func (l *ListSpec) names(c *CertificateSpec) bool {
	for _, serial := range l.revoked {
		if serial == c.serial {
			return true
		}
	}
	return false
}

// The list that decides about a certificate: the newest current one signed by its issuer's key. Failing that, the newest
// signed by another key of the issuer's name on the path, which the list must identify: an authority that changed its key
// signs one list for both (RFC 5280 §6.3.3 (f)).
func (m *model) listFor(c *CertificateSpec, issuers []*CertificateSpec) *ListSpec {
	for _, among := range [][]*CertificateSpec{issuers[:1], issuers} {
		var newest *ListSpec
		for _, list := range m.s.lists {
			if m.same(list.issuer, c.issuer) && !list.unknownFlag && !m.s.now.Before(list.thisUpdate) &&
				!m.s.now.After(list.nextUpdate) && (newest == nil || list.thisUpdate.After(newest.thisUpdate)) &&
				m.signedByOne(list, among) && (len(among) == 1 || !list.omitKeyID) {
				newest = list
			}
		}
		if newest != nil {
			return newest
		}
	}
	return nil
}

func (m *model) signedByOne(list *ListSpec, issuers []*CertificateSpec) bool {
	for _, issuer := range issuers {
		if list.signer == issuer.key && m.same(list.issuer, issuer.subject) &&
			(issuer.version == 1 || issuer.keyUsage == 0 || issuer.keyUsage&x509.KeyUsageCRLSign != 0) {
			return true
		}
	}
	return false
}

// The end of a path's validity in Unix time: `good_until_s` in x509/trust.h.
func (m *model) goodUntil(p path) int64 {
	until := p[0].notAfter
	for i, c := range p {
		if c.notAfter.Before(until) {
			until = c.notAfter
		}
		issuers := p[i+1:]
		if i > 0 && len(issuers) == 0 {
			issuers = m.issuersOf(c)
		}
		if len(m.s.lists) > 0 && len(issuers) > 0 {
			if list := m.listFor(c, issuers); list != nil && list.nextUpdate.Before(until) {
				until = list.nextUpdate
			}
		}
	}
	return until.Unix()
}
