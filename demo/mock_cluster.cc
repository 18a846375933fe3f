// Three Kafka brokers in one process: librdkafka's mock cluster, for the demo. They listen on 127.0.0.1 and
// tell clients so. Prints `bootstrap HOST:PORT,…` when they accept, and runs until SIGTERM or SIGINT.
//
//     mock_cluster TOPIC      the topic has three partitions, one led by each broker
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <csignal>
#include <cstdio>
#include <memory>

namespace {

constexpr int broker_count = 3;

int fail(const char* what, const char* why) {
  std::fprintf(stderr, "mock_cluster: %s: %s\n", what, why);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fail("usage", "mock_cluster TOPIC");
  const char* topic = argv[1];

  // Blocked before any thread starts, so that only the sigwait below takes them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  char error[512];
  rd_kafka_conf_t* settings = rd_kafka_conf_new();
  if (rd_kafka_conf_set(settings, "log_level", "0", error, sizeof error) != RD_KAFKA_CONF_OK) {
    rd_kafka_conf_destroy(settings);
    return fail("log_level", error);
  }
  const std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> host{
      rd_kafka_new(RD_KAFKA_PRODUCER, settings, error, sizeof error), &rd_kafka_destroy};
  if (!host) {
    rd_kafka_conf_destroy(settings);
    return fail("librdkafka", error);
  }
  const std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)> cluster{
      rd_kafka_mock_cluster_new(host.get(), broker_count), &rd_kafka_mock_cluster_destroy};
  if (!cluster) return fail("librdkafka", "no mock cluster");

  const rd_kafka_resp_err_t made =
      rd_kafka_mock_topic_create(cluster.get(), topic, broker_count, broker_count);
  if (made != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(topic, rd_kafka_err2str(made));
  for (int partition = 0; partition < broker_count; ++partition) {
    rd_kafka_mock_partition_set_leader(cluster.get(), topic, partition, partition + 1);
  }

  std::printf("bootstrap %s\n", rd_kafka_mock_cluster_bootstraps(cluster.get()));
  std::fflush(stdout);
  int received = 0;
  sigwait(&ends, &received);
  return 0;
}
