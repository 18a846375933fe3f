// Compares kferry's verdicts on certificate chains with the results that x509-limbo expects, and with those of Go's
// crypto/x509 on random chains. The last line of output is `N passed, N failed, N skipped`.
//
//	build/trust --judge build/release/tests/trust/chain_judge --limbo ../shared/data/x509-limbo
//	build/trust --judge build/release/tests/trust/chain_judge --seed 7 --only 1234    replays one scenario
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
)

func main() {
	judge := flag.String("judge", "", "path of chain_judge")
	limbo := flag.String("limbo", "", "folder of limbo.json; empty: skip this part")
	seed := flag.Int64("seed", 1, "seed of the random scenarios")
	count := flag.Int("count", 2000, "number of random scenarios; 0: skip this part")
	only := flag.Int("only", -1, "the one random scenario to run")
	evidence := flag.String("evidence", os.TempDir(), "folder for the certificates of failed scenarios")
	flag.Parse()
	report := func(format string, values ...interface{}) { fmt.Printf(format+"\n", values...) }

	passed, failed, skipped := 0, 0, 0
	if *limbo != "" {
		p, f, s := Limbo{judge: *judge, folder: *limbo}.run(report)
		passed, failed, skipped = passed+p, failed+f, skipped+s
	}
	if *count > 0 {
		d := Differential{judge: *judge, seed: *seed, count: *count, only: *only, parallel: runtime.NumCPU(),
			evidence: *evidence}
		p, f := d.run(report)
		passed, failed = passed+p, failed+f
	}
	report("%d passed, %d failed, %d skipped", passed, failed, skipped)
	if failed > 0 {
		os.Exit(1)
	}
}
