package prometheus

import prom "github.com/prometheus/client_golang/prometheus"

// Descriptions of all metrics of this package.
func Descriptions() []*prom.Desc {
	ch := make(chan *prom.Desc, 1000)
	newCalls(0, nil).Describe(ch)
	newSources().Describe(ch)
	close(ch)
	var all []*prom.Desc
	for desc := range ch {
		all = append(all, desc)
	}
	return all
}
