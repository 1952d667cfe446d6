use proptest::prelude::*;
use tracehop::{SampleRand, SampleRate, SpanId, TraceId};

use crate::{config, span_id, trace_id};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn ids_round_trip(trace_id in trace_id(), span_id in span_id()) {
        let texts = [trace_id.to_string(), span_id.to_string()];
        assert_eq!(texts[0].parse(), Ok(trace_id));
        assert_eq!(texts[0].to_ascii_uppercase().parse(), Ok(trace_id));
        assert_eq!(trace_id.encode(&mut [0; 32]), &texts[0]);
        assert_eq!(TraceId::from_bytes(trace_id.to_bytes()), Ok(trace_id));
        assert_eq!(texts[1].parse(), Ok(span_id));
        assert_eq!(texts[1].to_ascii_uppercase().parse(), Ok(span_id));
        assert_eq!(span_id.encode(&mut [0; 16]), &texts[1]);
        assert_eq!(SpanId::from_bytes(span_id.to_bytes()), Ok(span_id));
    }

    #[test]
    fn ids_are_16_or_32_hex_digits(text in "[0-9a-fA-F]{14,34}|[0-9a-f]{15}[^0-9a-f]|0{16}|0{32}|\\PC*") {
        let is_id = |digits| {
            text.len() == digits
                && text.bytes().all(|byte| byte.is_ascii_hexdigit())
                && text.bytes().any(|byte| byte != b'0')
        };
        assert_eq!(text.parse::<TraceId>().is_ok(), is_id(32));
        assert_eq!(text.parse::<SpanId>().is_ok(), is_id(16));
    }

    #[test]
    fn rates_are_from_0_to_1_and_round_trip(number in prop_oneof![any::<f64>(), -0.1..1.1]) {
        let rate = SampleRate::new(number);
        assert_eq!(rate.is_ok(), (0.0..=1.0).contains(&number));
        if let Ok(rate) = rate {
            assert_eq!(rate.to_string().parse(), Ok(rate));
            assert_eq!(rate.get().to_bits(), (number + 0.0).to_bits());
        }
    }

    #[test]
    fn random_numbers_are_below_1_and_round_trip(number in prop_oneof![any::<f64>(), -0.1..1.1]) {
        let rand = SampleRand::new(number);
        assert_eq!(rand.is_ok(), (0.0..1.0).contains(&number));
        if let Ok(rand) = rand {
            let text = rand.to_string();
            assert!(text.starts_with("0.") && text.len() >= "0.000000".len(), "{}", text);
            assert_eq!(text.parse(), Ok(rand));
        }
    }

    #[test]
    fn any_text_is_a_number_or_an_error(text in "\\PC*|[-+0-9.e]{0,12}|inf|nan|NaN|-0") {
        if let Ok(rate) = text.parse::<SampleRate>() {
            assert!((0.0..=1.0).contains(&rate.get()));
        }
        if let Ok(rand) = text.parse::<SampleRand>() {
            assert!((0.0..1.0).contains(&rand.get()));
        }
    }

    #[test]
    fn random_numbers_agree_with_the_decision(
        trace_id in trace_id(),
        rate in prop_oneof![0.0..=1.0, Just(0.0), Just(1.0), 0.0..1e-6, 0.999_999..=1.0],
        sampled: bool,
    ) {
        let rate = SampleRate::new(rate).unwrap();
        let rand = SampleRand::from_trace_id(trace_id);
        assert_eq!(rand, SampleRand::from_trace_id(trace_id));
        assert_eq!(rand.to_string().len(), "0.123456".len());
        let agreeing = SampleRand::from_decision(trace_id, sampled, rate);
        assert!((0.0..1.0).contains(&agreeing.get()));
        let is_possible = rate != if sampled { SampleRate::NEVER } else { SampleRate::ALWAYS };
        assert!(!is_possible || agreeing.is_sampled_at(rate) == sampled);
    }

    #[test]
    fn higher_rates_sample_at_least_the_same_traces(
        trace_id in trace_id(), one in 0.0..=1.0, other in 0.0..=1.0,
    ) {
        let rand = SampleRand::from_trace_id(trace_id);
        let at = |rate: f64| rand.is_sampled_at(SampleRate::new(rate).unwrap());
        assert!(at(f64::max(one, other)) || !at(f64::min(one, other)));
    }
}
