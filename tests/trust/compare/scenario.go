// Generates random certificates around one chain. Some chains are good, some broken in a way that must never pass, many
// broken but with a good path around the defect. All but RSA keys and signatures follows from the seed and the scenario's
// number.
package main

import (
	"crypto/x509"
	"fmt"
	"math/rand"
	"net"
	"time"
)

const (
	chainSizeMax = 16 // as x509/trust.h has it
	day          = 24 * time.Hour
)

type Scenario struct {
	number   int
	words    []string // what is special about it, in the order of its making
	role     Role
	loadedAt time.Time // of the trust store
	now      time.Time
	host     string
	anchors  []*CertificateSpec
	chain    []*CertificateSpec // as sent: the leaf first
	lists    []*ListSpec
	subjects []SubjectRule // required of a client, one of them; none: any
}

func (s *Scenario) leaf() *CertificateSpec { return s.chain[0] }

func (s *Scenario) question() Question {
	q := Question{role: s.role, loadedAt: s.loadedAt, now: s.now, host: s.host}
	for _, c := range s.anchors {
		q.anchors = append(q.anchors, c.make())
	}
	for _, c := range s.chain {
		q.chain = append(q.chain, c.make())
	}
	for _, l := range s.lists {
		q.lists = append(q.lists, l.make())
	}
	for _, rule := range s.subjects {
		q.requiredSubjects = append(q.requiredSubjects, rule.text)
	}
	return q
}

// Keys that all scenarios share, because making them takes longer than everything else.
type Keys struct {
	quick []*Key
	slow  []*Key
}

func newKeys() *Keys {
	keys := &Keys{}
	for i := 0; i < 40; i++ {
		keys.quick = append(keys.quick, newKey(p256, i))
	}
	for i := 0; i < 3; i++ {
		keys.slow = append(keys.slow, newKey(rsa2048, i), newKey(ed25519Key, i))
	}
	return keys
}

type generator struct {
	random  *rand.Rand
	s       *Scenario
	quick   []*Key // not used yet in this scenario
	slow    []*Key
	serial  int64
	path    []*CertificateSpec // the leaf, then its issuers up to the root
	sent    []*CertificateSpec // besides the path
	revoked map[int64]bool
}

func makeScenario(seed int64, number int, now time.Time, keys *Keys) *Scenario {
	g := &generator{random: rand.New(rand.NewSource(seed*1_000_003 + int64(number))), revoked: map[int64]bool{}}
	g.s = &Scenario{number: number, loadedAt: now, now: now, role: Role(g.random.Intn(2))}
	g.quick, g.slow = shuffled(g, keys.quick), shuffled(g, keys.slow)
	g.makePath()
	g.s.anchors = []*CertificateSpec{g.root()}
	g.chooseAnchors()
	for twists := g.weighted(20, 35, 25, 14, 6); twists > 0; twists-- {
		g.twist()
	}
	if g.chance(35) {
		g.makeLists()
	}
	g.send()
	if g.s.role == clientRole && g.chance(10) {
		g.requireSubject()
	}
	if g.chance(15) {
		g.s.loadedAt = now.Add(-time.Duration(1+g.random.Intn(100)) * time.Hour)
		g.say("the trust store was loaded %s earlier", now.Sub(g.s.loadedAt))
	}
	return g.s
}

// --- chance

func (g *generator) chance(percent int) bool { return g.random.Intn(100) < percent }

func (g *generator) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at := g.random.Intn(sum)
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return len(weights) - 1
}

func shuffled[T any](g *generator, items []T) []T {
	result := append([]T{}, items...)
	g.random.Shuffle(len(result), func(i, j int) { result[i], result[j] = result[j], result[i] })
	return result
}

func pick[T any](g *generator, items ...T) T { return items[g.random.Intn(len(items))] }

func (g *generator) say(format string, values ...interface{}) {
	g.s.words = append(g.s.words, fmt.Sprintf(format, values...))
}

// --- certificates

func (g *generator) key() *Key {
	from := &g.quick
	if g.chance(10) && len(g.slow) > 0 {
		from = &g.slow
	}
	key := (*from)[0]
	*from = (*from)[1:]
	return key
}

// Issued by `issuer`; nil: self-signed.
func (g *generator) issue(label string, subject Name, issuer *CertificateSpec) *CertificateSpec {
	g.serial += 1 + int64(g.random.Intn(1000))
	c := &CertificateSpec{label: label, version: 3, serial: g.serial, subject: subject, key: g.key(), pathLength: -1,
		notBefore: g.s.now.Add(-time.Duration(2+g.random.Intn(300)) * day),
		notAfter:  g.s.now.Add(time.Duration(2+g.random.Intn(300)) * day)}
	if issuer == nil {
		issuer = c
	}
	g.signBy(c, issuer)
	return c
}

func (g *generator) signBy(c, issuer *CertificateSpec) {
	c.issuer, c.signer, c.signerID = issuer.subject, issuer.key, issuer.key.id
}

func (g *generator) issueAuthority(label string, issuer *CertificateSpec) *CertificateSpec {
	c := g.issue(label, Name{{{kind: "O", value: "Example"}}, {{kind: "CN", value: label}}}, issuer)
	c.basic = authority
	if g.chance(70) {
		c.keyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	return c
}

const host = "broker-1.kafka.example.com"

var hostAddress = net.IPv4(10, 20, 30, 40).To4()

func (g *generator) issueLeaf(issuer *CertificateSpec) *CertificateSpec {
	leaf := g.issue("leaf", Name{{{kind: "O", value: "Example"}}, {{kind: "OU", value: "Apps"}}, {{kind: "CN", value: pick(g, "app-1", "app-2", "admin")}}}, issuer)
	leaf.basic = []basicConstraints{noBasicConstraints, notAuthority, authority}[g.weighted(40, 56, 4)]
	if g.chance(60) {
		leaf.keyUsage = x509.KeyUsageDigitalSignature
		if g.chance(50) {
			leaf.keyUsage |= x509.KeyUsageKeyEncipherment
		}
	}
	switch g.weighted(40, 30, 30) {
	case 0:
		leaf.extKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	case 1:
		leaf.extKeyUsage = []x509.ExtKeyUsage{g.usage()}
	}
	leaf.dnsNames = []string{host}
	if g.s.role == brokerRole {
		g.s.host = host
		switch g.weighted(60, 20, 12, 8) {
		case 1:
			leaf.dnsNames = []string{"*.kafka.example.com"}
		case 2:
			leaf.addresses = []net.IP{hostAddress}
			g.s.host = hostAddress.String()
		case 3:
			g.s.host = ""
		}
	}
	return leaf
}

func (g *generator) usage() x509.ExtKeyUsage {
	if g.s.role == clientRole {
		return x509.ExtKeyUsageClientAuth
	}
	return x509.ExtKeyUsageServerAuth
}

func (g *generator) wrongUsage() x509.ExtKeyUsage {
	if g.s.role == clientRole {
		return pick(g, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageCodeSigning)
	}
	return pick(g, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageCodeSigning)
}

func (g *generator) makePath() {
	authorities := []*CertificateSpec{g.issueAuthority("Root", nil)}
	depth := g.weighted(40, 72, 50, 24, 6, 2, 1, 1, 1, 1, 1, 1)
	for i := 1; i <= depth; i++ {
		authorities = append(authorities, g.issueAuthority(fmt.Sprintf("CA %d", i), authorities[i-1]))
	}
	g.path = []*CertificateSpec{g.issueLeaf(authorities[depth])}
	for i := depth; i >= 0; i-- {
		g.path = append(g.path, authorities[i])
	}
}

func (g *generator) root() *CertificateSpec { return g.path[len(g.path)-1] }

// One of the path's authorities.
func (g *generator) someAuthority() *CertificateSpec { return g.path[1+g.random.Intn(len(g.path)-1)] }

// Nil if there are no intermediates.
func (g *generator) someIntermediate() *CertificateSpec {
	if len(g.path) < 3 {
		return nil
	}
	return g.path[1+g.random.Intn(len(g.path)-2)]
}

func (g *generator) someone() *CertificateSpec { return g.path[g.random.Intn(len(g.path))] }

func (g *generator) isAnchor(c *CertificateSpec) bool {
	for _, anchor := range g.s.anchors {
		if anchor == c {
			return true
		}
	}
	return false
}

func (g *generator) anchor(c *CertificateSpec) { g.s.anchors = append(g.s.anchors, c) }

func (g *generator) chooseAnchors() {
	switch g.weighted(74, 9, 5, 4, 8) {
	case 1:
		if c := g.someIntermediate(); c != nil {
			g.s.anchors = []*CertificateSpec{c}
			g.say("%s is the anchor", c.label)
		}
	case 2:
		g.s.anchors = []*CertificateSpec{g.path[0]}
		g.say("the leaf is pinned")
	case 3:
		g.anchor(g.path[0])
		g.say("the leaf is pinned beside its root")
	case 4:
		if c := g.someIntermediate(); c != nil {
			g.anchor(c)
			g.say("%s is an anchor beside its root", c.label)
		}
	}
	if g.chance(8) {
		other := g.issueLeaf(nil)
		other.label = "other pinned leaf"
		other.subject = commonName("somebody else")
		g.signBy(other, other)
		g.anchor(other)
		g.say("another leaf is pinned")
	}
}

// Another certificate with the same name and key.
func (g *generator) copyOf(c *CertificateSpec, label string) *CertificateSpec {
	again := *c
	again.der = nil
	again.label = label
	g.serial += 1 + int64(g.random.Intn(1000))
	again.serial = g.serial
	return &again
}

// Puts a copy where the original is: beside an anchor, or into the chain that is sent.
func (g *generator) deliver(c, original *CertificateSpec) {
	if g.isAnchor(original) && g.chance(70) {
		g.anchor(c)
		if g.chance(30) {
			g.sent = append(g.sent, c)
		}
		return
	}
	g.sent = append(g.sent, c)
}

// Called before a certificate is broken: keeps an intact copy in half of all cases.
func (g *generator) spare(c *CertificateSpec) {
	if c == g.path[0] || g.chance(50) {
		return
	}
	whole := g.copyOf(c, "intact copy of "+c.label)
	g.deliver(whole, c)
	g.say("%s has an intact copy", c.label)
}

// --- twists

func (g *generator) twist() {
	twists := []struct {
		weight int
		does   func()
	}{
		{10, g.expire}, {5, g.notYetValid}, {8, g.expiredCopy}, {5, g.renew}, {8, g.crossSign}, {8, g.sameNameOtherKey},
		{4, g.badSignature}, {6, g.noAuthority}, {5, g.noCertSign}, {6, g.limitPath}, {4, g.selfIssued}, {6, g.limitUsage},
		{3, g.respellIssuer}, {3, g.leafUsage}, {12, g.constrain}, {3, g.unknownCritical}, {5, g.version1}, {6, g.pinnedSigner}, {4, g.distrust},
		{4, g.wrongHost}, {3, g.noKeyIDs}, {2, g.wrongKeyID}, {2, g.bySHA1}, {2, g.leafKeyUsage}, {5, g.stray},
		{4, g.namedAuthority}, {2, g.crossSignLoop},
	}
	var weights []int
	for _, t := range twists {
		weights = append(weights, t.weight)
	}
	twists[g.weighted(weights...)].does()
}

func (g *generator) expire() {
	c := g.someone()
	g.spare(c)
	c.notAfter = g.s.now.Add(-time.Duration(1+g.random.Intn(48)) * time.Hour)
	c.notBefore = c.notAfter.Add(-100 * day)
	g.say("%s has expired", c.label)
}

func (g *generator) notYetValid() {
	c := g.someone()
	g.spare(c)
	c.notBefore = g.s.now.Add(time.Duration(1+g.random.Intn(48)) * time.Hour)
	c.notAfter = c.notBefore.Add(100 * day)
	g.say("%s is not valid yet", c.label)
}

func (g *generator) expiredCopy() {
	c := g.someAuthority()
	old := g.copyOf(c, "expired copy of "+c.label)
	old.notAfter = g.s.now.Add(-time.Hour)
	old.notBefore = old.notAfter.Add(-100 * day)
	g.deliver(old, c)
	g.say("%s has an expired copy", c.label)
}

func (g *generator) renew() {
	c := g.someAuthority()
	renewed := g.copyOf(c, "renewed "+c.label)
	renewed.notBefore = g.s.now.Add(-time.Hour)
	renewed.notAfter = g.s.now.Add(500 * day)
	c.notAfter = g.s.now.Add(-time.Hour)
	c.notBefore = c.notAfter.Add(-100 * day)
	g.deliver(renewed, c)
	g.say("%s has expired and was renewed with the same key", c.label)
}

func (g *generator) crossSign() {
	c := g.someAuthority()
	other := g.issueAuthority("Other Root", nil)
	crossed := g.copyOf(c, "cross-signed "+c.label)
	g.signBy(crossed, other)
	g.sent = append(g.sent, crossed)
	trusted := g.chance(50)
	if trusted {
		g.anchor(other)
		if g.chance(40) && len(g.s.anchors) > 1 {
			g.s.anchors = g.s.anchors[1:]
		}
	} else if g.chance(50) {
		g.sent = append(g.sent, other)
	}
	g.say("%s is cross-signed by another root (trusted: %t)", c.label, trusted)
}

// Two authorities that signed each other.
func (g *generator) crossSignLoop() {
	a := g.someAuthority()
	b := g.issueAuthority("Looping CA", a)
	loop := g.copyOf(a, a.label+" by the looping CA")
	g.signBy(loop, b)
	g.sent = append(g.sent, b, loop)
	g.say("%s and the looping CA signed each other", a.label)
}

func (g *generator) sameNameOtherKey() {
	c := g.someAuthority()
	other := g.copyOf(c, "namesake of "+c.label)
	other.key = g.key()
	if c == g.root() || g.chance(30) {
		g.signBy(other, other)
	}
	g.deliver(other, c)
	g.say("%s has a namesake with another key", c.label)
}

func (g *generator) badSignature() {
	c := g.path[g.random.Intn(len(g.path)-1)]
	g.spare(c)
	c.signer = g.key()
	g.say("%s is not signed by its issuer's key", c.label)
}

func (g *generator) noAuthority() {
	c := g.someAuthority()
	g.spare(c)
	c.basic = pick(g, noBasicConstraints, notAuthority)
	if g.chance(40) {
		c.keyUsage = pick(g, 0, x509.KeyUsageDigitalSignature, x509.KeyUsageCertSign|x509.KeyUsageCRLSign)
	}
	g.say("%s is not an authority: %s", c.label, [...]string{"no basicConstraints", "", "CA:FALSE"}[c.basic])
}

func (g *generator) noCertSign() {
	c := g.someAuthority()
	g.spare(c)
	c.keyUsage = pick(g, x509.KeyUsageDigitalSignature, x509.KeyUsageCRLSign)
	g.say("%s has a key usage without keyCertSign", c.label)
}

func (g *generator) limitPath() {
	at := 1 + g.random.Intn(len(g.path)-1)
	c := g.path[at]
	g.spare(c)
	c.pathLength = g.random.Intn(at + 1)
	if g.chance(50) {
		c.pathLength = at - 1
	}
	g.say("%s allows %d intermediates below, and has %d", c.label, c.pathLength, at-1)
}

// An authority issues itself a certificate with another key.
func (g *generator) selfIssued() {
	at := 1 + g.random.Intn(len(g.path)-1)
	above, below := g.path[at], g.path[at-1]
	own := g.issueAuthority("self-issued "+above.label, above)
	own.subject = above.subject
	g.signBy(below, own)
	g.path = append(g.path[:at], append([]*CertificateSpec{own}, g.path[at:]...)...)
	g.say("%s issued itself a certificate with another key, which signed %s", above.label, below.label)
	if g.chance(40) {
		above.pathLength = at - 1
		g.say("%s allows %d intermediates below", above.label, above.pathLength)
	} else if g.chance(15) {
		own.omitKeyIDs = true
		g.say("%s has no key identifiers", own.label)
	} else if g.chance(40) {
		own.dnsNames = []string{"ca.example.org"}
		above.permitted = &Subtrees{dns: []string{"example.com"}}
		g.say("%s permits example.com, but %s has the DNS name %s", above.label, own.label, own.dnsNames[0])
	}
}

func (g *generator) limitUsage() {
	c := g.someAuthority()
	g.spare(c)
	c.extKeyUsage = []x509.ExtKeyUsage{[]x509.ExtKeyUsage{g.usage(), x509.ExtKeyUsageAny, g.wrongUsage()}[g.weighted(35, 15, 50)]}
	g.say("%s has the extended key usage %s", c.label, usageWords(c.extKeyUsage))
}

func (g *generator) leafUsage() {
	leaf := g.path[0]
	leaf.extKeyUsage = []x509.ExtKeyUsage{[]x509.ExtKeyUsage{x509.ExtKeyUsageAny, g.wrongUsage()}[g.weighted(30, 70)]}
	g.say("the leaf has the extended key usage %s", usageWords(leaf.extKeyUsage))
}

func usageWords(usages []x509.ExtKeyUsage) string {
	names := map[x509.ExtKeyUsage]string{x509.ExtKeyUsageAny: "any", x509.ExtKeyUsageServerAuth: "serverAuth",
		x509.ExtKeyUsageClientAuth: "clientAuth", x509.ExtKeyUsageCodeSigning: "codeSigning"}
	words := ""
	for _, usage := range usages {
		words += " " + names[usage]
	}
	return words[1:]
}

func (g *generator) constrain() {
	c := g.someAuthority()
	g.spare(c)
	_, near, _ := net.ParseCIDR("10.20.0.0/16")
	_, far, _ := net.ParseCIDR("192.168.0.0/16")
	trees := &Subtrees{}
	kind := g.weighted(60, 20, 12)
	switch kind {
	case 0:
		trees.dns = []string{pick(g, "example.com", "kafka.example.com", host, "example.org", "other.example.com")}
	case 1:
		trees.addresses = []*net.IPNet{pick(g, near, far)}
	case 2:
		trees.directories = []Name{pick(g, Name{{{kind: "O", value: "Example"}}}, Name{{{kind: "O", value: "Example"}}, {{kind: "OU", value: "Apps"}}},
			Name{{{kind: "O", value: "Elsewhere"}}})}
	}
	word := "permits"
	if g.chance(60) {
		c.permitted = trees
	} else {
		c.excluded = trees
		word = "excludes"
	}
	g.say("%s %s the names %s", c.label, word, trees)
	if kind == 0 && g.chance(20) {
		g.path[0].dnsNames = nil
		g.path[0].subject = commonName(pick(g, host, "*.kafka.example.com"))
		g.say("the leaf's name is only in its subject: %s", g.path[0].subject)
	}
}

func (s *Subtrees) String() string {
	words := fmt.Sprint(s.dns, s.addresses)
	for _, directory := range s.directories {
		words += " " + directory.String()
	}
	return words
}

func (g *generator) unknownCritical() {
	c := g.someone()
	g.spare(c)
	c.unknownCritical = true
	g.say("%s has an unknown critical extension", c.label)
}

func (g *generator) version1() {
	c := pick(g, g.path[0], g.path[0], g.root(), g.someone())
	if c != g.path[0] {
		g.spare(c)
	}
	c.version = 1
	g.say("%s is of version 1", c.label)
}

// The holder of a pinned certificate's key signs certificates for any name.
func (g *generator) pinnedSigner() {
	pinned := g.issueLeaf(g.path[1])
	pinned.label = "pinned signer"
	pinned.subject = commonName("pinned")
	pinned.basic = pick(g, noBasicConstraints, notAuthority)
	if pinned.basic == notAuthority || g.chance(50) {
		pinned.keyUsage = pick(g, 0, x509.KeyUsageDigitalSignature, x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)
	}
	g.signBy(g.path[0], pinned)
	g.anchor(pinned)
	if g.chance(50) {
		g.sent = append(g.sent, pinned)
	}
	if g.chance(50) {
		g.s.anchors = []*CertificateSpec{pinned}
	}
	g.say("the leaf is signed by a pinned certificate that is not an authority")
}

func (g *generator) distrust() {
	kept := g.s.anchors
	g.s.anchors = nil
	for _, c := range kept {
		if c != g.root() {
			g.anchor(c)
		}
	}
	g.anchor(g.issueAuthority("Unrelated Root", nil))
	if g.chance(50) {
		g.sent = append(g.sent, g.root())
	}
	g.say("the root is not trusted")
}

func (g *generator) wrongHost() {
	leaf := g.path[0]
	if g.s.role == brokerRole {
		g.s.host = pick(g, "broker-2.kafka.example.com", "deep.broker-1.kafka.example.com", "BROKER-1.kafka.example.com",
			"10.20.30.41", "kafka.example.com", host)
	}
	leaf.dnsNames = pick(g, []string{"*.example.com"}, []string{"broker-*.kafka.example.com"}, []string{"*"},
		[]string{host, "other.example.org"}, nil)
	if leaf.dnsNames == nil && g.chance(60) {
		leaf.subject = commonName(host)
	}
	g.say("the leaf names %v %v, its subject is %s", leaf.dnsNames, leaf.addresses, leaf.subject)
}

func (g *generator) respellIssuer() {
	c := g.path[g.random.Intn(len(g.path)-1)]
	c.issuer = c.issuer.respelt()
	g.say("%s spells its issuer's name differently", c.label)
}

func (g *generator) noKeyIDs() {
	c := g.someone()
	c.omitKeyIDs = true
	g.say("%s has no key identifiers", c.label)
}

func (g *generator) wrongKeyID() {
	c := g.path[g.random.Intn(len(g.path)-1)]
	g.spare(c)
	c.signerID = g.quick[0].id
	g.say("the authority key identifier of %s is wrong", c.label)
}

func (g *generator) bySHA1() {
	c := g.someone()
	g.spare(c)
	c.sha1 = true
	g.say("%s is signed with SHA-1", c.label)
}

func (g *generator) leafKeyUsage() {
	g.path[0].keyUsage = pick(g, x509.KeyUsageKeyEncipherment, x509.KeyUsageContentCommitment, x509.KeyUsageCertSign)
	g.say("the leaf's key usage lacks digitalSignature")
}

func (g *generator) stray() {
	switch g.weighted(40, 30, 30) {
	case 0:
		g.sent = append(g.sent, g.issueAuthority("Stray CA", nil))
	case 1:
		g.sent = append(g.sent, g.issue("stray leaf", commonName("stray"), g.someAuthority()))
	case 2:
		old := g.issueAuthority("expired stray CA", nil)
		old.notAfter = g.s.now.Add(-time.Hour)
		g.sent = append(g.sent, old)
	}
	g.say("a stray certificate is sent")
}

func (g *generator) namedAuthority() {
	c := g.someAuthority()
	c.dnsNames = []string{pick(g, "ca.example.com", "ca.example.org")}
	g.say("%s has the DNS name %s", c.label, c.dnsNames[0])
	if g.chance(50) {
		above := g.someAuthority()
		g.spare(above)
		above.excluded = &Subtrees{dns: []string{"example.org"}}
		g.say("%s excludes the names example.org", above.label)
	}
}

// --- revocation

func (g *generator) makeLists() {
	if g.chance(18) {
		g.revoked[g.path[0].serial] = true
		g.say("the leaf is revoked")
	}
	if c := g.someIntermediate(); c != nil && g.chance(18) {
		g.revoked[c.serial] = true
		g.say("%s is revoked", c.label)
	}
	if c := pick(g, g.s.anchors...); c.signer != c.key && g.chance(25) {
		g.revoked[c.serial] = true
		g.say("the anchor %s is revoked", c.label)
	}
	for _, c := range g.sent {
		if g.chance(15) {
			g.revoked[c.serial] = true
			g.say("%s is revoked", c.label)
		}
	}
	type pair struct {
		name string
		key  *Key
	}
	seen := map[pair]bool{}
	all := append(append(append([]*CertificateSpec{}, g.path...), g.sent...), g.s.anchors...)
	for _, c := range all {
		id := pair{string(c.subject.der()), c.key}
		if seen[id] || c.basic != authority {
			continue
		}
		seen[id] = true
		g.listOf(c)
	}
	g.s.lists = shuffled(g, g.s.lists)
}

func (g *generator) listOf(c *CertificateSpec) {
	list := &ListSpec{label: "list of " + c.label, issuer: c.subject, signer: c.key, number: int64(10 + g.random.Intn(10)),
		thisUpdate: g.s.now.Add(-time.Duration(1+g.random.Intn(72)) * time.Hour),
		nextUpdate: g.s.now.Add(time.Duration(1+g.random.Intn(72)) * time.Hour)}
	for serial := int64(1); serial <= g.serial; serial++ {
		if g.revoked[serial] {
			list.revoked = append(list.revoked, serial)
		}
	}
	list.omitKeyID = g.chance(15)
	state := g.weighted(86, 4, 4, 2, 4)
	if c == g.root() && len(g.s.anchors) > 1 && g.chance(20) {
		state = 1
	}
	switch state {
	case 1:
		g.say("%s has no list", c.label)
		return
	case 2:
		list.nextUpdate = g.s.now.Add(-time.Hour)
		list.thisUpdate = list.nextUpdate.Add(-100 * time.Hour)
		g.say("the list of %s is outdated", c.label)
	case 3:
		list.unknownFlag = true
		g.say("the list of %s has an unknown critical extension", c.label)
	case 4:
		old := *list
		old.label = "older " + list.label
		old.thisUpdate = list.thisUpdate.Add(-100 * time.Hour)
		old.nextUpdate = pick(g, list.nextUpdate, g.s.now.Add(-time.Hour))
		old.number = 1
		old.revoked = nil
		if g.chance(50) { // on hold then, released since
			old.revoked = []int64{g.path[0].serial}
		}
		g.s.lists = append(g.s.lists, &old)
		g.say("there is also an older list of %s", c.label)
	}
	g.s.lists = append(g.s.lists, list)
}

// --- what is sent

func (g *generator) send() {
	last := len(g.path) - 1
	if g.chance(30) {
		last++ // the root as well
	}
	rest := append([]*CertificateSpec{}, g.path[1:last]...)
	if len(rest) > 0 && g.chance(5) {
		at := g.random.Intn(len(rest))
		g.say("%s is not sent", rest[at].label)
		rest = append(rest[:at], rest[at+1:]...)
	}
	for _, c := range g.sent {
		at := g.random.Intn(len(rest) + 1)
		rest = append(rest[:at], append([]*CertificateSpec{c}, rest[at:]...)...)
	}
	if len(rest) > 0 && g.chance(10) {
		rest = append(rest, pick(g, rest...))
		g.say("a certificate is sent twice")
	}
	if g.chance(5) {
		rest = append(rest, g.path[0])
		g.say("the leaf is sent twice")
	}
	if len(rest) > 1 && g.chance(30) {
		rest = shuffled(g, rest)
		g.say("in a random order")
	}
	if len(rest) > chainSizeMax-1 {
		rest = rest[:chainSizeMax-1]
	}
	g.s.chain = append([]*CertificateSpec{g.path[0]}, rest...)
	g.s.anchors = shuffled(g, g.s.anchors)
}

func (g *generator) requireSubject() {
	leaf := g.path[0]
	rule := ruleFor(g, leaf.subject)
	g.s.subjects = []SubjectRule{rule}
	g.say("required of the subject %s: %s", leaf.subject, rule.text)
}
