//! Every picture can be drawn, from odd numbers too.

use super::*;

fn is_a_picture(svg: &str, parts: &[&str]) {
    assert!(svg.starts_with("<svg width="), "{svg:.80}");
    assert!(svg.trim_end().ends_with("</svg>"), "the picture is cut off");
    assert!(svg.contains("viewBox"), "a picture has to scale");
    assert!(!svg.contains("NaN"), "a coordinate is not a number");
    for part in parts {
        assert!(svg.contains(*part), "`{part}` is missing");
    }
}

#[test]
fn training_curves_read_lines_of_metrics() {
    let lines = [
        r#"{"step": 200, "loss": 1.0, "lr": 2e-5, "grad_norm": 3.5}"#,
        r#"{"step": 400, "loss": 0.5, "lr": 1e-5}"#,
        r#"{"step": 400, "eval_loss": 0.6, "eval_action_mae": 0.2, "eval_mean_action_mae": 0.4}"#,
    ];
    let metrics: Vec<MetricPoint> =
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of metrics")).collect();
    let svg = training_curves(&metrics).expect("it can be drawn");
    is_a_picture(&svg, &["Loss", "held out", "Held-out action error", "mean action", "Learning rate"]);
}

#[test]
fn odd_metrics_are_drawn_too() {
    is_a_picture(&training_curves(&[]).expect("an empty run"), &["Loss"]);
    let odd =
        [0.0, -1.0, f64::NAN, f64::INFINITY].map(|loss| MetricPoint { loss: Some(loss), ..MetricPoint::default() });
    is_a_picture(&training_curves(&odd).expect("odd numbers"), &["Loss"]);
}

#[test]
fn a_chunk_has_a_panel_per_dimension() {
    let names: Vec<String> = ["shoulder", "elbow", "x<y"].map(str::to_owned).into();
    let chunk = vec![vec![0.1, 0.2, 0.3]; 8];
    let samples = vec![chunk.clone(), chunk.clone()];
    let svg = chunk_plot(&names, &samples, Some(&chunk), 4).expect("it can be drawn");
    is_a_picture(&svg, &["shoulder", "elbow", "x&lt;y"]);
    is_a_picture(&chunk_plot(&[], &samples, None, 0).expect("without names"), &["action 2"]);
    is_a_picture(&chunk_plot(&names, &[], None, 0).expect("without samples"), &[]);
}

#[test]
fn errors_and_latencies_are_drawn() {
    let names: Vec<String> = ["shoulder", "elbow"].map(str::to_owned).into();
    let svg = dimension_error_plot(&names, &[0.1, 0.2], &[0.5]).expect("it can be drawn");
    is_a_picture(&svg, &["shoulder", "elbow"]);
    let svg = horizon_error_plot(&[0.1, 0.2], &[0.02, 0.05], &[]).expect("it can be drawn");
    is_a_picture(&svg, &["step of the chunk"]);
    for times in [&[][..], &[5.0][..], &[1.0, 2.0, 2.5, 9.0][..]] {
        is_a_picture(&latency_histogram(times).expect("it can be drawn"), &["Latency"]);
    }
}

#[test]
fn success_is_drawn_with_its_interval() {
    let bar = |name: &str, share| SuccessBar { name: name.to_owned(), share, interval: [share * 0.5, 1.0] };
    let svg = success_plot(&[bar("reach", 0.9), bar("a<b", 0.0)]).expect("it can be drawn");
    is_a_picture(&svg, &["reach", "a&lt;b", "50%", "intervals"]);
    is_a_picture(&success_plot(&[]).expect("without bars"), &[]);
}
