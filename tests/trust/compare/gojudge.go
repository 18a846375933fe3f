// The verdict of Go's crypto/x509 on DER. It does not check revocation, so this file checks the chains that it returns
// against the lists.
package main

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
)

// Go stops at a number of signatures, without a verdict.
const gaveUp = "x509: signature check attempts limit reached while verifying certificate chain"

// Why Go refuses the chain; empty if it accepts it.
func objectionOfGo(q Question) string {
	leaf, err := x509.ParseCertificate(q.chain[0])
	if err != nil {
		return "cannot be parsed: " + err.Error()
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: q.now,
		DNSName: q.host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if q.role == brokerRole {
		options.KeyUsages[0] = x509.ExtKeyUsageServerAuth
	}
	if strings.Contains(q.host, ":") {
		options.DNSName = "[" + q.host + "]"
	}
	add := func(pool *x509.CertPool, all [][]byte) {
		for _, der := range all {
			if c, err := x509.ParseCertificate(der); err == nil {
				pool.AddCert(c)
			}
		}
	}
	add(options.Roots, q.anchors)
	add(options.Intermediates, q.chain[1:])
	chains, err := leaf.Verify(options)
	if err != nil {
		return err.Error()
	}
	if len(q.lists) == 0 {
		return ""
	}
	var lists []*x509.RevocationList
	for _, der := range q.lists {
		if list, err := x509.ParseRevocationList(der); err == nil {
			lists = append(lists, list)
		}
	}
	objection := ""
	for _, chain := range chains {
		if objection = revocationOf(chain, lists, q); objection == "" {
			return ""
		}
	}
	return objection
}

// Why the lists refuse a chain; empty if they do not.
func revocationOf(chain []*x509.Certificate, lists []*x509.RevocationList, q Question) string {
	for i := 0; i+1 < len(chain); i++ {
		list := currentList(chain[i], chain[i+1:i+2], lists, q)
		if list == nil {
			list = currentList(chain[i], chain[i+1:], lists, q)
		}
		if list == nil {
			return fmt.Sprintf("no current list of %s", chain[i+1].Subject)
		}
		if listed(list, chain[i].SerialNumber) {
			return fmt.Sprintf("%s is revoked", chain[i].Subject)
		}
	}
	return ""
}

// The newest current list of the issuer's name, signed with the key of one of `issuers`. As in model.listFor().
func currentList(c *x509.Certificate, issuers []*x509.Certificate, lists []*x509.RevocationList, q Question) *x509.RevocationList {
	var newest *x509.RevocationList
	for _, list := range lists {
		if isListOf(list, c, issuers) && !q.now.Before(list.ThisUpdate) && !q.now.After(list.NextUpdate) &&
			(newest == nil || list.ThisUpdate.After(newest.ThisUpdate)) {
			newest = list
		}
	}
	return newest
}

func isListOf(list *x509.RevocationList, c *x509.Certificate, issuers []*x509.Certificate) bool {
	for _, extension := range list.Extensions {
		if extension.Critical {
			return false
		}
	}
	if len(issuers) > 1 && len(list.AuthorityKeyId) == 0 {
		return false
	}
	for _, issuer := range issuers {
		mayList := issuer.KeyUsage == 0 || issuer.KeyUsage&x509.KeyUsageCRLSign != 0
		if mayList && bytes.Equal(list.RawIssuer, c.RawIssuer) && bytes.Equal(list.RawIssuer, issuer.RawSubject) &&
			issuer.CheckSignature(list.SignatureAlgorithm, list.RawTBSRevocationList, list.Signature) == nil {
			return true
		}
	}
	return false
}

func listed(list *x509.RevocationList, serial *big.Int) bool {
	for _, entry := range list.RevokedCertificates {
		if entry.SerialNumber.Cmp(serial) == 0 {
			return true
		}
	}
	return false
}
