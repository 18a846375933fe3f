// Encodes certificates and revocation lists field by field, so that they can be wrong in any way. crypto/x509 cannot make
// certificates of version 1, with a wrong signature, or without their usual extensions.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"sort"
	"strings"
	"time"
)

// A key pair with a label for reports, such as "P-256 key 3".
type Key struct {
	label  string
	kind   keyKind
	signer crypto.Signer
	spki   []byte
	id     []byte // the subject key identifier
}

type keyKind int

const (
	p256 keyKind = iota
	rsa2048
	ed25519Key
)

// A number gives the same key in every run, except for RSA.
func newKey(kind keyKind, number int) *Key {
	seed := sha256.Sum256([]byte(fmt.Sprintf("kferry tests/trust, key %d of kind %d", number, kind)))
	var signer crypto.Signer
	switch kind {
	case p256:
		curve := elliptic.P256()
		key := &ecdsa.PrivateKey{D: new(big.Int).SetBytes(seed[:])}
		key.Curve = curve
		key.X, key.Y = curve.ScalarBaseMult(seed[:])
		signer = key
	case rsa2048:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(err)
		signer = key
	case ed25519Key:
		signer = ed25519.NewKeyFromSeed(seed[:])
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	must(err)
	id := sha256.Sum256(spki)
	return &Key{fmt.Sprintf("%s key %d", [...]string{"P-256", "RSA", "Ed25519"}[kind], number), kind, signer, spki, id[:20]}
}

func (k *Key) pkcs8() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	must(err)
	return der
}

// An attribute of a distinguished name; a Name is a list of RDNs, the least specific first.
type Attribute struct {
	kind      string // CN, OU, O
	value     string
	printable bool // PrintableString, else UTF8String
}
type Name [][]Attribute

// The same name by RFC 5280 §7.1, encoded differently.
func (n Name) respelt() Name {
	var other Name
	for _, rdn := range n {
		var attributes []Attribute
		for _, a := range rdn {
			attributes = append(attributes, Attribute{a.kind, strings.ToUpper(a.value), !a.printable})
		}
		other = append(other, attributes)
	}
	return other
}

func (n Name) means(other Name) bool {
	if len(n) != len(other) {
		return false
	}
	for i := range n {
		if len(n[i]) != len(other[i]) {
			return false
		}
		for j, a := range n[i] {
			if a.kind != other[i][j].kind || !strings.EqualFold(a.value, other[i][j].value) {
				return false
			}
		}
	}
	return true
}

func commonName(value string) Name { return Name{{{kind: "CN", value: value}}} }

var attributeTypes = map[string]asn1.ObjectIdentifier{"CN": {2, 5, 4, 3}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}}

func (n Name) der() []byte {
	var rdns []byte
	for _, rdn := range n {
		var attributes [][]byte // DER sorts the members of a set
		for _, a := range rdn {
			tag := byte(0x0c)
			if a.printable {
				tag = 0x13
			}
			attributes = append(attributes, sequence(marshal(attributeTypes[a.kind]), tagged(tag, []byte(a.value))))
		}
		sort.Slice(attributes, func(i, j int) bool { return bytes.Compare(attributes[i], attributes[j]) < 0 })
		rdns = append(rdns, tagged(0x31, bytes.Join(attributes, nil))...)
	}
	return tagged(0x30, rdns)
}

func (n Name) String() string {
	var rdns []string
	for _, rdn := range n {
		var parts []string
		for _, a := range rdn {
			parts = append(parts, fmt.Sprintf("%s=%q", a.kind, a.value))
		}
		rdns = append(rdns, strings.Join(parts, "+"))
	}
	return strings.Join(rdns, "/")
}

type basicConstraints int

const (
	noBasicConstraints basicConstraints = iota
	authority
	notAuthority
)

// The content of a certificate. The zero value of a field omits its extension.
type CertificateSpec struct {
	label           string // for reports
	version         int    // 1 (without extensions) or 3
	serial          int64
	issuer, subject Name
	key             *Key
	signer          *Key // not the issuer's: the signature is wrong
	signerID        []byte
	notBefore       time.Time
	notAfter        time.Time
	basic           basicConstraints
	pathLength      int // -1: unlimited
	keyUsage        x509.KeyUsage
	extKeyUsage     []x509.ExtKeyUsage
	permitted       *Subtrees
	excluded        *Subtrees
	dnsNames        []string
	addresses       []net.IP
	omitKeyIDs      bool
	unknownCritical bool
	sha1            bool
	der             []byte // set by make()
}

type Subtrees struct {
	dns         []string
	addresses   []*net.IPNet
	directories []Name
}

var (
	oidSHA256WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidSHA1WithRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSAWithSHA1   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	oidEd25519         = asn1.ObjectIdentifier{1, 3, 101, 112}
	oidKeyUsages       = map[x509.ExtKeyUsage]asn1.ObjectIdentifier{
		x509.ExtKeyUsageAny:         {2, 5, 29, 37, 0},
		x509.ExtKeyUsageServerAuth:  {1, 3, 6, 1, 5, 5, 7, 3, 1},
		x509.ExtKeyUsageClientAuth:  {1, 3, 6, 1, 5, 5, 7, 3, 2},
		x509.ExtKeyUsageCodeSigning: {1, 3, 6, 1, 5, 5, 7, 3, 3},
	}
)

func extensionID(last int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, last} }

// The certificate's DER, encoded at the first call.
func (c *CertificateSpec) make() []byte {
	if c.der != nil {
		return c.der
	}
	algorithm, sign := signatureBy(c.signer, c.sha1)
	var parts []byte
	if c.version == 3 {
		parts = append(parts, tagged(0xa0, marshal(2))...)
	}
	parts = append(parts, marshal(c.serial)...)
	parts = append(parts, algorithm...)
	parts = append(parts, c.issuer.der()...)
	parts = append(parts, sequence(timeOf(c.notBefore), timeOf(c.notAfter))...)
	parts = append(parts, c.subject.der()...)
	parts = append(parts, c.key.spki...)
	if extensions := c.extensions(); c.version == 3 && len(extensions) > 0 {
		parts = append(parts, tagged(0xa3, tagged(0x30, extensions))...)
	}
	toBeSigned := tagged(0x30, parts)
	c.der = sequence(toBeSigned, algorithm, bitString(sign(toBeSigned)))
	return c.der
}

func (c *CertificateSpec) extensions() []byte {
	var all []byte
	add := func(id asn1.ObjectIdentifier, critical bool, content []byte) {
		var flag []byte
		if critical {
			flag = marshal(true)
		}
		all = append(all, sequence(marshal(id), flag, tagged(0x04, content))...)
	}
	if !c.omitKeyIDs {
		add(extensionID(14), false, tagged(0x04, c.key.id))
		if c.signerID != nil {
			add(extensionID(35), false, sequence(tagged(0x80, c.signerID)))
		}
	}
	switch {
	case c.basic == authority && c.pathLength >= 0:
		add(extensionID(19), true, sequence(marshal(true), marshal(c.pathLength)))
	case c.basic == authority:
		add(extensionID(19), true, sequence(marshal(true)))
	case c.basic == notAuthority:
		add(extensionID(19), true, sequence())
	}
	if c.keyUsage != 0 {
		add(extensionID(15), true, keyUsageBits(c.keyUsage))
	}
	if len(c.extKeyUsage) > 0 {
		var ids []byte
		for _, usage := range c.extKeyUsage {
			ids = append(ids, marshal(oidKeyUsages[usage])...)
		}
		add(extensionID(37), false, tagged(0x30, ids))
	}
	if len(c.dnsNames)+len(c.addresses) > 0 {
		var names []byte
		for _, name := range c.dnsNames {
			names = append(names, tagged(0x82, []byte(name))...)
		}
		for _, address := range c.addresses {
			names = append(names, tagged(0x87, address)...)
		}
		add(extensionID(17), false, tagged(0x30, names))
	}
	if c.permitted != nil || c.excluded != nil {
		var trees []byte
		if c.permitted != nil {
			trees = append(trees, tagged(0xa0, c.permitted.der())...)
		}
		if c.excluded != nil {
			trees = append(trees, tagged(0xa1, c.excluded.der())...)
		}
		add(extensionID(30), true, tagged(0x30, trees))
	}
	if c.unknownCritical {
		add(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, true, marshal(1))
	}
	return all
}

func (s *Subtrees) der() []byte {
	var trees []byte
	for _, name := range s.dns {
		trees = append(trees, sequence(tagged(0x82, []byte(name)))...)
	}
	for _, network := range s.addresses {
		trees = append(trees, sequence(tagged(0x87, append(append([]byte{}, network.IP...), network.Mask...)))...)
	}
	for _, directory := range s.directories {
		trees = append(trees, sequence(tagged(0xa4, directory.der()))...)
	}
	return trees
}

// A revocation list.
type ListSpec struct {
	label       string
	issuer      Name
	signer      *Key
	omitKeyID   bool
	thisUpdate  time.Time
	nextUpdate  time.Time
	revoked     []int64
	number      int64
	der         []byte
	unknownFlag bool // an unknown critical extension
}

func (l *ListSpec) make() []byte {
	if l.der != nil {
		return l.der
	}
	algorithm, sign := signatureBy(l.signer, false)
	var entries []byte
	for _, serial := range l.revoked {
		entries = append(entries, sequence(marshal(serial), timeOf(l.thisUpdate))...)
	}
	if len(entries) > 0 {
		entries = tagged(0x30, entries)
	}
	extensions := sequence(marshal(extensionID(20)), tagged(0x04, marshal(l.number)))
	if !l.omitKeyID {
		extensions = append(extensions,
			sequence(marshal(extensionID(35)), tagged(0x04, sequence(tagged(0x80, l.signer.id))))...)
	}
	if l.unknownFlag {
		extensions = append(extensions, sequence(marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 2}),
			marshal(true), tagged(0x04, marshal(1)))...)
	}
	toBeSigned := sequence(marshal(1), algorithm, l.issuer.der(), timeOf(l.thisUpdate), timeOf(l.nextUpdate), entries,
		tagged(0xa0, tagged(0x30, extensions)))
	l.der = sequence(toBeSigned, algorithm, bitString(sign(toBeSigned)))
	return l.der
}

// The AlgorithmIdentifier and its signing function.
func signatureBy(key *Key, bySHA1 bool) ([]byte, func([]byte) []byte) {
	hashed := func(content []byte) ([]byte, crypto.Hash) {
		if bySHA1 {
			sum := sha1.Sum(content)
			return sum[:], crypto.SHA1
		}
		sum := sha256.Sum256(content)
		return sum[:], crypto.SHA256
	}
	sign := func(content []byte) []byte {
		digest, hash := hashed(content)
		if _, isEd25519 := key.signer.(ed25519.PrivateKey); isEd25519 {
			digest, hash = content, crypto.Hash(0)
		}
		signature, err := key.signer.Sign(rand.Reader, digest, hash)
		must(err)
		return signature
	}
	switch key.signer.(type) {
	case *rsa.PrivateKey:
		id := oidSHA256WithRSA
		if bySHA1 {
			id = oidSHA1WithRSA
		}
		return sequence(marshal(id), []byte{5, 0}), sign
	case ed25519.PrivateKey:
		return sequence(marshal(oidEd25519)), sign
	default:
		id := oidECDSAWithSHA256
		if bySHA1 {
			id = oidECDSAWithSHA1
		}
		return sequence(marshal(id)), sign
	}
}

// --- DER

func tagged(tag byte, content []byte) []byte {
	head := []byte{tag}
	switch size := len(content); {
	case size < 0x80:
		head = append(head, byte(size))
	case size < 0x100:
		head = append(head, 0x81, byte(size))
	case size < 0x10000:
		head = append(head, 0x82, byte(size>>8), byte(size))
	default:
		head = append(head, 0x83, byte(size>>16), byte(size>>8), byte(size))
	}
	return append(head, content...)
}

func sequence(parts ...[]byte) []byte {
	var content []byte
	for _, part := range parts {
		content = append(content, part...)
	}
	return tagged(0x30, content)
}

func marshal(value interface{}) []byte {
	der, err := asn1.Marshal(value)
	must(err)
	return der
}

func bitString(content []byte) []byte { return tagged(0x03, append([]byte{0}, content...)) }

func timeOf(t time.Time) []byte {
	if year := t.UTC().Year(); year >= 1950 && year < 2050 {
		return tagged(0x17, []byte(t.UTC().Format("060102150405Z")))
	}
	return tagged(0x18, []byte(t.UTC().Format("20060102150405Z")))
}

// crypto/x509 numbers the bits from the lowest, DER from the highest of the first byte.
func keyUsageBits(usage x509.KeyUsage) []byte {
	var bits [2]byte
	last := 0
	for i := 0; i < 9; i++ {
		if usage&(1<<i) != 0 {
			bits[i/8] |= 0x80 >> (i % 8)
			last = i
		}
	}
	content := bits[:last/8+1]
	return tagged(0x03, append([]byte{byte(7 - last%8)}, content...))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
