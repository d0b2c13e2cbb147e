"""Studies beside the benchmark: complexity of the routes, edited light against rendered light."""
