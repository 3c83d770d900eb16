// What the page remembers of the last steps. It forgets what is older than the longest span.

const LONGEST = 2000, BINS = 100, MOST_SPIKES = 60000;

export class Past {
  constructor(facts) {
    this.firstRow = [0];
    for (const node of facts.nodes) this.firstRow.push(this.firstRow.at(-1) + node.size);
    this.epoch = this.number = this.watch = -1;
    this.watched = [];
    this.traces = [];
    this.begin(0, facts.nodes.map(() => 0));
  }

  begin(step, counts) {
    this.chunks = [];
    this.whole = [];
    this.bins = [];
    this.marks = [[step, counts]];
    this.step = step;
  }

  nodeOf(row) {
    let low = 0, high = this.firstRow.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.firstRow[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // Take news in; returns how many steps went by since the last ones.
  take(news, span) {
    if (news.epoch !== this.epoch) {
      const late = news.step - news.since > LONGEST;
      this.begin(late ? news.step : news.since, late ? news.counts : news.counts.map(() => 0));
      this.traces = [];
    }
    const passed = news.step - this.step;
    Object.assign(this, { epoch: news.epoch, number: news.number, step: news.step });
    if (news.t.length) {
      const t = Int32Array.from(news.t), y = Int32Array.from(news.y);
      this.chunks.push({ from: news.from, last: news.from + t.at(-1), t, y });
    }
    for (const [a, b] of news.whole) {
      if (this.whole.length && this.whole.at(-1)[1] === a) this.whole.at(-1)[1] = b;
      else this.whole.push([a, b]);
    }
    if (news.watch !== this.watch) {
      this.watch = news.watch;
      this.watched = news.watched;
      this.traces = [];
    }
    this.traces.push(...news.traces);
    this.count(news, span);
    this.forget();
    return passed;
  }

  // Counts are known at the end of each window of steps: at the marks.
  count(news, span) {
    for (const { step, counts } of news.marks) {
      const [before, old] = this.marks.at(-1);
      if (step - before < span / BINS) continue;
      this.marks.push([step, counts]);
      this.bins.push({ from: before, to: step, counts: counts.map((n, i) => n - old[i]) });
    }
  }

  // Mean rates over the last span steps, as near as the marks allow: [steps, counts].
  recent(news, span) {
    const mark = this.marks.find(([step]) => step >= news.step - span) ?? this.marks.at(-1);
    return [news.step - mark[0], news.counts.map((n, i) => n - mark[1][i])];
  }

  forget() {
    const oldest = this.step - LONGEST;
    const drop = (list, ended) => {
      let n = 0;
      while (n < list.length && ended(list[n])) n++;
      if (n) list.splice(0, n);
    };
    drop(this.chunks, (chunk) => chunk.last < oldest);
    let spikes = this.chunks.reduce((sum, chunk) => sum + chunk.t.length, 0);
    let from = oldest;
    while (spikes > MOST_SPIKES && this.chunks.length > 1) {
      const chunk = this.chunks.shift();
      spikes -= chunk.t.length;
      from = chunk.last + 1;
    }
    drop(this.whole, (range) => range[1] <= from);
    if (this.whole.length) this.whole[0][0] = Math.max(this.whole[0][0], from);
    drop(this.bins, (bin) => bin.to <= oldest);
    drop(this.traces, (chunk) => chunk.from + chunk.v[0].length <= oldest);
    while (this.marks.length > 1 && this.marks[1][0] <= oldest) this.marks.shift();
  }
}
