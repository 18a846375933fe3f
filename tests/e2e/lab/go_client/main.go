// Produces numbered records and reads them back with franz-go: go_client BOOTSTRAP TOPIC COUNT [USER PASSWORD].
// With a user it logs in by SCRAM-SHA-512. Prints "got COUNT" when every record came back once.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, what+":", err)
	os.Exit(1)
}

func main() {
	bootstrap, topic := os.Args[1], os.Args[2]
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail("COUNT", err)
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.DefaultProduceTopic(topic),
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if len(os.Args) > 5 {
		options = append(options, kgo.SASL(scram.Auth{User: os.Args[4], Pass: os.Args[5]}.AsSha512Mechanism()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		fail("options", err)
	}
	defer client.Close()
	limit, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()

	records := make([]*kgo.Record, count)
	for number := range records {
		records[number] = kgo.StringRecord(strconv.Itoa(number))
	}
	if err := client.ProduceSync(limit, records...).FirstErr(); err != nil {
		fail("produce", err)
	}
	seen := map[string]bool{}
	for len(seen) < count {
		fetches := client.PollFetches(limit)
		if err := fetches.Err0(); err != nil {
			fail("consume", err)
		}
		fetches.EachRecord(func(record *kgo.Record) { seen[string(record.Value)] = true })
	}
	fmt.Println("got", len(seen))
}
