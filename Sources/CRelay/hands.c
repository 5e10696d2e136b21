#include "internal.h"

void relay_hands_take(struct relay_hands *hands, struct relay_machine *machine, int index) {
  const struct relay_channel_config *config = &hands->config->channels[index];
  char error[400];
  int failed = 0;
  for (int i = 0; i < config->line_count; i++) {
    if (!hands->power[index][i]) hands->power[index][i] = hands->ops->request_output(&config->lines[i], error, sizeof error);
    if (hands->power[index][i]) continue;
    relay_print("EVSE %d: %s", config->evse, error);
    failed = 1;
  }
  relay_machine_line(machine, index, failed, relay_now());
  if (!config->has_mirror) return;
  if (!hands->mirror[index]) hands->mirror[index] = hands->ops->request_input(&config->mirror, error, sizeof error);
  if (!hands->mirror[index]) {
    relay_print("EVSE %d: mirror: %s", config->evse, error);
    const int64_t now = relay_now();
    relay_machine_mirror(machine, index, -1, now, now);
    return;
  }
  relay_hands_read_mirror(hands, machine, index);
}

void relay_hands_read_mirror(struct relay_hands *hands, struct relay_machine *machine, int index) {
  enum { EDGES_AT_ONCE = 64 };
  void *line = hands->mirror[index];
  if (!line) return;
  int active = 0, result = 0;
  int64_t time = 0;
  for (int i = 0; i < EDGES_AT_ONCE; i++) {
    result = hands->ops->next_edge(line, &active, &time);
    if (result != 1) break;
    relay_machine_mirror(machine, index, active, time, relay_now());
  }
  // Edges may have been lost; the value is what counts.
  const int64_t now = relay_now();
  relay_machine_mirror(machine, index, result < 0 ? -1 : hands->ops->get(line), now, now);
}

static int set(struct relay_hands *hands, int index, int active) {
  int failed = 0;
  for (int i = 0; i < hands->config->channels[index].line_count; i++) {
    void *line = hands->power[index][i];
    if (line && hands->ops->set(line, active) != 0) failed++;
  }
  return failed;
}

void relay_hands_apply(struct relay_hands *hands, struct relay_machine *machine, int64_t now) {
  for (int i = 0; i < hands->config->channel_count; i++) {
    struct relay_channel *channel = &machine->channels[i];
    if (hands->applied[i] == channel->output) continue;
    if (set(hands, i, channel->output) == 0) {
      hands->applied[i] = channel->output;
      continue;
    }
    // One pole may be on: all off, and again at the next call if even that fails.
    relay_machine_line(machine, i, 1, now);
    hands->applied[i] = set(hands, i, 0) == 0 ? 0 : -1;
  }
  if (hands->heartbeat && hands->heartbeat_level != machine->heartbeat) {
    hands->ops->set(hands->heartbeat, machine->heartbeat);
    hands->heartbeat_level = machine->heartbeat;
  }
}

int relay_hands_all_off(struct relay_hands *hands) {
  int failed = 0;
  for (int i = 0; i < hands->config->channel_count; i++) failed += set(hands, i, 0);
  return failed;
}

void relay_hands_release(struct relay_hands *hands) {
  for (int i = 0; i < hands->config->channel_count; i++) {
    for (int j = 0; j < RELAY_LINES_MAX; j++)
      if (hands->power[i][j]) hands->ops->release(hands->power[i][j]);
    if (hands->mirror[i]) hands->ops->release(hands->mirror[i]);
  }
  if (hands->heartbeat) hands->ops->release(hands->heartbeat);
}
