// The differential test: random scenarios, judged by kferry's trust store, by kferry in handshakes, by crypto/x509 and by
// the model, which states the differences that are allowed.
package main

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type Differential struct {
	judge    string // path of chain_judge
	seed     int64
	count    int
	only     int // a single scenario's number, or -1
	parallel int
	evidence string // folder for the PEM files of failures
}

// The outcome of one scenario.
type result struct {
	number   int
	accepted bool
	faults   []string
	rules    Rules // that explain the difference between kferry and Go
}

func (d Differential) run(report func(format string, values ...interface{})) (passed, failed int) {
	keys := newKeys()
	now := time.Now().Truncate(time.Second)

	numbers := make(chan int)
	results := make(chan result)
	var workers sync.WaitGroup
	for i := 0; i < d.parallel; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			judge := newJudge(d.judge, now)
			for number := range numbers {
				results <- d.one(judge, makeScenario(d.seed, number, now, keys))
			}
			must(judge.stop())
		}()
	}
	go func() {
		for number := 0; number < d.count; number++ {
			if d.only < 0 || d.only == number {
				numbers <- number
			}
		}
		close(numbers)
		workers.Wait()
		close(results)
	}()

	var explained [ruleCount]int
	accepts := 0
	for r := range results {
		if r.accepted {
			accepts++
		}
		for rule := Rule(0); rule < ruleCount; rule++ {
			if r.rules.has(rule) {
				explained[rule]++
			}
		}
		if len(r.faults) == 0 {
			passed++
		} else {
			failed++
		}
		if len(r.faults) == 0 && d.only < 0 {
			continue
		}
		scenario := makeScenario(d.seed, r.number, now, keys)
		report("differential %d of seed %d (--seed %d --only %d):", r.number, d.seed, d.seed, r.number)
		report("%s", d.describe(scenario))
		for _, fault := range r.faults {
			report("  FAULT: %s", fault)
		}
	}
	report("differential: seed %d: %d scenarios, %d accepted; differences from Go by rule:", d.seed,
		passed+failed, accepts)
	for rule, count := range explained {
		report("  %5d  %s: %s", count, rules[rule].name, rules[rule].reason)
		if count == 0 && d.only < 0 && d.count >= 2000 && !rules[rule].depends {
			failed++
			report("  FAULT: no scenario shows this difference")
		}
	}
	return passed, failed
}

func (d Differential) one(judge *Judge, s *Scenario) result {
	r := result{number: s.number}
	fault := func(format string, values ...interface{}) {
		r.faults = append(r.faults, fmt.Sprintf(format, values...))
	}
	expected, rules, verdict := d.byStore(judge, s, fault)
	r.accepted, r.rules = expected.accepts(), rules

	// The trust store is asked at a second time. Handshakes cannot be: wolfSSL has a clock of its own.
	later := *s
	later.now = s.now.Add(time.Duration(s.number%5*s.number%7*40-400) * time.Hour)
	if verdict.outcome == accepted {
		later.now = time.Unix(verdict.goodUntil-1, 0)
	}
	if later.now.Before(later.loadedAt) {
		later.loadedAt = later.now
	}
	d.byStore(judge, &later, func(format string, values ...interface{}) {
		fault("at "+later.now.UTC().Format(time.RFC3339)+": "+format, values...)
	})

	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		verdict, err := judge.shakeHands(s.question(), s.leaf().key.signer, version)
		if err != nil {
			fault("TLS %s: %s; %v", versionWords(version), verdict, err)
		}
		if (verdict.outcome == accepted) != expected.accepts() {
			fault("TLS %s: %s; expected: %s", versionWords(version), verdict, expected)
		} else if verdict.outcome == refused && !expected.explains(verdict.cause) {
			fault("TLS %s: %s; the cause does not fit: %s", versionWords(version), verdict, expected)
		}
	}
	return r
}

// The model's opinion of a scenario and the rules by which it differs from Go's. Go, the model and the trust store must
// agree accordingly.
func (d Differential) byStore(judge *Judge, s *Scenario, fault func(string, ...interface{})) (Opinion, Rules, Verdict) {
	q := s.question()
	ofGo, asGo := objectionOfGo(q), opinionOf(s, goRules)
	withoutSubjects := *s
	withoutSubjects.subjects = nil // unknown to crypto/x509
	if (ofGo == "") != opinionOf(&withoutSubjects, goRules).accepts() && ofGo != gaveUp {
		fault("the model misjudges Go: Go says %q, the model %s", ofGo, asGo)
	}

	expected := opinionOf(s, kferryRules)
	rules := explanation(s, asGo, expected)
	if asGo.accepts() != expected.accepts() && rules == 0 {
		fault("no rule explains the difference: Go says %q, the model %s", ofGo, expected)
	}

	verdict, err := judge.ask(q)
	must(err)
	switch {
	case (verdict.outcome == accepted) != expected.accepts():
		fault("trust store: %s; expected: %s; Go: %q", verdict, expected, ofGo)
	case verdict.outcome == accepted:
		d.checkAccepted(s, verdict, fault)
	case verdict.outcome == refused && !expected.explains(verdict.cause):
		fault("trust store: %s; the cause does not fit: %s", verdict, expected)
	}
	return expected, rules, verdict
}

func versionWords(version uint16) string {
	if version == tls.VersionTLS12 {
		return "1.2"
	}
	return "1.3"
}

// The trust store's path must be good, and its end must not be too late.
func (d Differential) checkAccepted(s *Scenario, verdict Verdict, fault func(string, ...interface{})) {
	m := &model{s: s, rules: kferryRules}
	var sent path
	for _, index := range verdict.path {
		if int(index) >= len(s.chain) {
			fault("trust store: accepted with a path beyond what was sent: %v", verdict.path)
			return
		}
		sent = append(sent, s.chain[index])
	}
	var words []string
	for _, p := range m.completions(sent) {
		wrong := m.objections(p)
		if len(wrong) == 0 && verdict.goodUntil <= m.goodUntil(p) && verdict.goodUntil > s.now.Unix() {
			return
		}
		words = append(words, fmt.Sprintf("%s (until %d, wrong: %v)", p, m.goodUntil(p), wrong))
	}
	fault("trust store: accepted with the path %s until %d; possible: %s", sent, verdict.goodUntil, strings.Join(words, "; "))
}

// The rules that explain a difference: each that does so alone, else the first pair.
func explanation(s *Scenario, asGo, expected Opinion) Rules {
	var found Rules
	if asGo.accepts() == expected.accepts() {
		return found
	}
	for a := Rule(0); a < ruleCount; a++ {
		if (goRules ^ kferryRules).has(a) && (opinionOf(s, kferryRules.other(a)).accepts() == asGo.accepts() ||
			opinionOf(s, goRules.other(a)).accepts() == expected.accepts()) {
			found |= 1 << a
		}
	}
	for a := Rule(0); found == 0 && a < ruleCount; a++ {
		for b := a + 1; b < ruleCount; b++ {
			both := Rules(1<<a | 1<<b)
			if (goRules^kferryRules)&both == both && opinionOf(s, goRules^both).accepts() == expected.accepts() {
				return both
			}
		}
	}
	return found
}

// Describes the scenario and writes its PEM files.
func (d Differential) describe(s *Scenario) string {
	folder := filepath.Join(d.evidence, fmt.Sprintf("seed-%d-%d", d.seed, s.number))
	must(os.MkdirAll(folder, 0o755))
	write := func(name, kind string, all [][]byte) {
		var text []byte
		for _, der := range all {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		must(os.WriteFile(filepath.Join(folder, name), text, 0o644))
	}
	q := s.question()
	write("anchors.pem", "CERTIFICATE", q.anchors)
	write("chain.pem", "CERTIFICATE", q.chain)
	write("lists.pem", "X509 CRL", q.lists)
	write("key.pem", "PRIVATE KEY", [][]byte{s.leaf().key.pkcs8()})
	var labels [3][]string
	for _, c := range s.anchors {
		labels[0] = append(labels[0], c.label)
	}
	for _, c := range s.chain {
		labels[1] = append(labels[1], c.label)
	}
	for _, l := range s.lists {
		labels[2] = append(labels[2], l.label)
	}
	return fmt.Sprintf("  a %s's chain, host %q, %s\n  %s\n  anchors: %s\n  sent: %s\n  lists: %s", s.role, s.host, folder,
		strings.Join(s.words, "\n  "), strings.Join(labels[0], ", "), strings.Join(labels[1], ", "),
		strings.Join(labels[2], ", "))
}
