// The cases of x509-limbo. Each is judged by the trust store, and also by handshakes if the case has a private key and no
// validation time of its own. Deviations from a case's expected result are listed in limbo_table.go.
package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type limboCase struct {
	ID            string   `json:"id"`
	Kind          string   `json:"validation_kind"`
	Trusted       []string `json:"trusted_certs"`
	Intermediates []string `json:"untrusted_intermediates"`
	Peer          string   `json:"peer_certificate"`
	PeerKey       string   `json:"peer_certificate_key"`
	Time          string   `json:"validation_time"`
	Expected      string   `json:"expected_result"`
	PeerName      *struct {
		Value string `json:"value"`
	} `json:"expected_peer_name"`
	Lists []string `json:"crls"`
}

// A case whose expected result kferry deviates from.
type deviation struct {
	also   string // "OpenSSL" or "Go", which accepts as well; empty if kferry refuses
	reason string
}

type Limbo struct {
	judge  string
	folder string
}

func (l Limbo) run(report func(format string, values ...interface{})) (passed, failed, skipped int) {
	content, err := os.ReadFile(filepath.Join(l.folder, "limbo.json"))
	if os.IsNotExist(err) {
		report("x509-limbo: SKIPPED: %s does not exist; put a copy beside the checkout, or set KFERRY_LIMBO to its folder",
			filepath.Join(l.folder, "limbo.json"))
		return 0, 0, 1
	}
	must(err)
	var all struct {
		Cases []limboCase `json:"testcases"`
	}
	must(json.Unmarshal(content, &all))
	judge := newJudge(l.judge, time.Now())
	known := map[string]bool{}
	for _, c := range all.Cases {
		known[c.ID] = true
		if reason, is := notApplicable[c.ID]; is {
			report("x509-limbo %s: not applicable: %s", c.ID, reason)
			skipped++
			continue
		}
		if faults := l.one(judge, c); len(faults) > 0 {
			failed++
			for _, fault := range faults {
				report("x509-limbo %s: FAULT: %s", c.ID, fault)
			}
			continue
		}
		passed++
	}
	for _, id := range tableOfLimbo() {
		if !known[id] {
			failed++
			report("x509-limbo %s: FAULT: the table lists a case that does not exist", id)
		}
	}
	must(judge.stop())
	return passed, failed, skipped
}

func (l Limbo) one(judge *Judge, c limboCase) (faults []string) {
	fault := func(format string, values ...interface{}) { faults = append(faults, fmt.Sprintf(format, values...)) }
	q, key := c.question()
	verdict, err := judge.ask(q)
	must(err)
	accepts, expected := verdict.outcome == accepted, c.Expected == "SUCCESS"
	entry, listed := deviations[c.ID]
	switch {
	case accepts == expected && listed:
		fault("listed as a deviation, but as expected: %s", verdict)
	case accepts != expected && !listed:
		fault("expected %s, but %s (OpenSSL: %s; Go: %s)", c.Expected, verdict, agreed(l.objectionOfOpenSSL(q)),
			agreed(objectionOfGo(q)))
	case listed && accepts != (entry.also != ""):
		fault("listed as the opposite deviation: %s", verdict)
	case listed && entry.also == "OpenSSL" && l.objectionOfOpenSSL(q) != "":
		fault("OpenSSL does not accept it either: %s", l.objectionOfOpenSSL(q))
	case listed && entry.also == "Go" && objectionOfGo(q) != "":
		fault("Go does not accept it either: %s", objectionOfGo(q))
	}
	if key == nil || c.Time != "" || !presentable(q) {
		return faults
	}
	reason, stricter := refusedInHandshakes[c.ID]
	deviates := false
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		inHandshake, err := judge.shakeHands(q, key, version)
		if err != nil {
			fault("TLS %s: %s", versionWords(version), err)
		}
		is := inHandshake.outcome == accepted
		deviates = deviates || is != accepts
		if is != accepts && (is || !stricter) {
			fault("TLS %s: %s, but the trust store: %s", versionWords(version), inHandshake, verdict)
		}
	}
	if stricter && !deviates {
		fault("listed as refused in handshakes, but accepted: %s", reason)
	}
	return faults
}

func agreed(objection string) string {
	if objection == "" {
		return "accepts"
	}
	return objection
}

func (c limboCase) question() (Question, crypto.Signer) {
	now := time.Now()
	if c.Time != "" {
		var err error
		now, err = time.Parse(time.RFC3339, c.Time)
		must(err)
	}
	q := Question{role: brokerRole, loadedAt: now, now: now, anchors: ders(c.Trusted), lists: ders(c.Lists),
		chain: append(ders([]string{c.Peer}), ders(c.Intermediates)...)}
	if c.Kind == "CLIENT" {
		q.role = clientRole
	} else if c.PeerName != nil {
		q.host = c.PeerName.Value
	}
	if c.PeerKey == "" {
		return q, nil
	}
	block, _ := pem.Decode([]byte(c.PeerKey))
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return q, key
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return q, key
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return q, key.(crypto.Signer)
	}
	return q, nil // DSA, P-192
}

func ders(pems []string) [][]byte {
	var all [][]byte
	for _, text := range pems {
		block, _ := pem.Decode([]byte(text))
		all = append(all, block.Bytes)
	}
	return all
}

// Whether crypto/tls can present the chain. It must be able to parse the leaf.
func presentable(q Question) bool {
	_, err := x509.ParseCertificate(q.chain[0])
	return err == nil && len(q.chain) <= chainSizeMax
}

// Why the openssl command refuses the chain; empty if it accepts it.
func (l Limbo) objectionOfOpenSSL(q Question) string {
	folder, err := os.MkdirTemp("", "kferry-limbo-")
	must(err)
	defer os.RemoveAll(folder)
	file := func(name, kind string, all [][]byte) string {
		var text bytes.Buffer
		for _, der := range all {
			must(pem.Encode(&text, &pem.Block{Type: kind, Bytes: der}))
		}
		path := filepath.Join(folder, name)
		must(os.WriteFile(path, text.Bytes(), 0o600))
		return path
	}
	purpose := map[Role]string{clientRole: "sslclient", brokerRole: "sslserver"}[q.role]
	words := []string{"verify", "-partial_chain", "-purpose", purpose, "-auth_level", "1",
		"-attime", strconv.FormatInt(q.now.Unix(), 10), "-no-CApath", "-no-CAstore",
		"-CAfile", file("anchors.pem", "CERTIFICATE", q.anchors)}
	if len(q.chain) > 1 {
		words = append(words, "-untrusted", file("untrusted.pem", "CERTIFICATE", q.chain[1:]))
	}
	if len(q.lists) > 0 {
		words = append(words, "-crl_check_all", "-CRLfile", file("lists.pem", "X509 CRL", q.lists))
	}
	switch {
	case q.host == "":
	case strings.ContainsRune(q.host, ':') || strings.Trim(q.host, "0123456789.") == "":
		words = append(words, "-verify_ip", q.host)
	default:
		words = append(words, "-verify_hostname", q.host)
	}
	output, err := exec.Command("openssl", append(words, file("leaf.pem", "CERTIFICATE", q.chain[:1]))...).CombinedOutput()
	if err == nil {
		return ""
	}
	for _, line := range strings.Split(string(output), "\n") {
		if strings.HasPrefix(line, "error ") {
			return line
		}
	}
	return err.Error() + ": " + string(output)
}
