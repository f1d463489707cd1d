package rest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
)

// versionEntry is one item of the version list.
type versionEntry struct {
	Label   string `json:"label"`
	URL     string `json:"url"`
	Version string `json:"version"`
}

// versions lists the API versions, oldest first. The call is free of charge.
func (ex *exchange) versions() error {
	var list []versionEntry
	for v := MinVersion; v <= MaxVersion; v++ {
		list = append(list, versionEntry{Label: release(v), URL: fmt.Sprintf("/services/data/v%d.0", v), Version: fmt.Sprintf("%d.0", v)})
	}
	return ex.json(http.StatusOK, list)
}

// release is the name of a version's release: three a year, 66.0 being Spring '26. Winter is named after the next year.
func release(v int) string {
	year := v/3 + 4
	switch v % 3 {
	case 0:
		return fmt.Sprintf("Spring '%02d", year)
	case 1:
		return fmt.Sprintf("Summer '%02d", year)
	default:
		return fmt.Sprintf("Winter '%02d", year+1)
	}
}

func (ex *exchange) base() string { return fmt.Sprintf("/services/data/v%.1f", ex.route.version) }

// resources lists what is below a version.
func (ex *exchange) resources() error {
	out := map[string]string{}
	for name, since := range map[string]float64{
		"sobjects": MinVersion, "query": MinVersion, "queryAll": MinVersion, "limits": MinVersion, "composite": compositeVersion, "jobs": ingestVersion,
	} {
		if ex.route.version >= since {
			out[name] = ex.base() + "/" + name
		}
	}
	out["identity"] = ex.identityURL(ex.user)
	return ex.json(http.StatusOK, out)
}

// limitEntry is one limit. Some hold entries by themselves: what single applications may use of it.
type limitEntry struct {
	Max, Remaining int
	apps           map[string]limitEntry
}

// MarshalJSON writes the entries of applications beside the members of the limit.
func (l limitEntry) MarshalJSON() ([]byte, error) {
	out := map[string]any{"Max": l.Max, "Remaining": l.Remaining}
	for name, app := range l.apps {
		out[name] = app
	}
	return json.Marshal(out)
}

// limits tells what is left of the org's limits. Those that the simulator does not count are always whole.
func (ex *exchange) limits() error {
	set := ex.s.Settings.Get()
	whole := func(n int) limitEntry { return limitEntry{Max: n, Remaining: n} }
	// The application has no share of its own, which reads 0 of 0.
	apps := map[string]limitEntry{"Bulkhead": {}}
	queries, megabytes := ex.s.Jobs.QueriesToday()
	queryStorage := int(set.DailyQueryKilobytes / 1_024)
	return ex.json(http.StatusOK, map[string]limitEntry{
		"DailyApiRequests":              {Max: set.DailyAPILimit, Remaining: max(set.DailyAPILimit-ex.s.APICalls(), 0), apps: apps},
		"DailyBulkApiBatches":           {Max: set.DailyBatchLimit, Remaining: max(set.DailyBatchLimit-ex.s.Jobs.BatchesToday(), 0)},
		"DailyBulkV2QueryJobs":          {Max: set.DailyQueryJobLimit, Remaining: max(set.DailyQueryJobLimit-queries, 0)},
		"DailyBulkV2QueryFileStorageMB": {Max: queryStorage, Remaining: max(queryStorage-megabytes, 0)},
		"DataStorageMB":                 whole(10_240),
		"FileStorageMB":                 whole(10_240),
		"DailyAsyncApexExecutions":      whole(250_000),
		"HourlyPublishedPlatformEvents": whole(100_000),
	})
}

// objects lists all objects.
func (ex *exchange) objects() error {
	out := struct {
		Encoding     string               `json:"encoding"`
		MaxBatchSize int                  `json:"maxBatchSize"`
		Objects      []org.DescribeObject `json:"sobjects"`
	}{Encoding: "UTF-8", MaxBatchSize: 200}
	for _, o := range ex.s.Store.Model().Objects {
		out.Objects = append(out.Objects, o.Describe(ex.base()+"/sobjects/"+o.Name, false))
	}
	return ex.json(http.StatusOK, out)
}

// describe describes one object.
func (ex *exchange) describe() error {
	o := ex.s.Store.Model().Object(ex.route.rest[0])
	if o == nil {
		return bulk.ErrNotFound
	}
	return ex.json(http.StatusOK, o.Describe(ex.base()+"/sobjects/"+o.Name, true))
}
