// Command gosalesforce loads files of CSV into an org by the library go-salesforce, and reads the results:
//
//	gosalesforce URL CLIENT-ID CLIENT-SECRET FILE...
//
// The last line of stdout is one JSON object; what its members mean stands in the package floor. It is a module of its own, so that nothing of the
// product depends on what is only compared.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/k-capehart/go-salesforce/v3"
)

const (
	batch   = 10_000 // the most that the library puts into a job
	looking = 50 * time.Millisecond
	patient = time.Hour
)

type result struct {
	Seconds    float64 `json:"seconds"`
	Jobs       int     `json:"jobs"`
	Landed     int64   `json:"landed"`
	Failed     int64   `json:"failed"`
	Downloaded int64   `json:"downloaded"`
}

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: gosalesforce URL CLIENT-ID CLIENT-SECRET FILE...")
		os.Exit(2)
	}
	out, err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gosalesforce:", err)
		os.Exit(1)
	}
}

func run(url, id, secret string, files []string) (result, error) {
	var out result
	started := time.Now()
	sf, err := salesforce.Init(salesforce.Creds{Domain: url, ConsumerKey: id, ConsumerSecret: secret}, salesforce.WithAPIVersion("v66.0"))
	if err != nil {
		return out, err
	}
	for _, file := range files {
		jobs, err := sf.UpsertBulkFile("Contact", "External_Id__c", file, batch, false)
		if err != nil {
			return out, err
		}
		for _, job := range jobs {
			res, err := results(sf, job)
			if err != nil {
				return out, fmt.Errorf("job %s: %w", job, err)
			}
			out.Jobs++
			out.Landed += int64(len(res.SuccessfulRecords))
			out.Failed += int64(len(res.FailedRecords))
		}
	}
	out.Seconds = time.Since(started).Seconds()
	return out, nil
}

// results waits until a job is done: the library answers with its state alone before that.
func results(sf *salesforce.Salesforce, job string) (salesforce.BulkJobResults, error) {
	for until := time.Now().Add(patient); ; {
		res, err := sf.GetJobResults(job)
		switch {
		case err != nil || res.State == "JobComplete":
			return res, err
		case res.State == "Failed" || res.State == "Aborted":
			return res, fmt.Errorf("it is %s: %s", res.State, res.ErrorMessage)
		case time.Now().After(until):
			return res, fmt.Errorf("it is still %s after %s", res.State, patient)
		}
		time.Sleep(looking)
	}
}
