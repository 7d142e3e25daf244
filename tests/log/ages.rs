//! How long records have been waiting for readers.

use shardgate::log::Ages;

use super::*;

cases! {
    a_reader_is_as_late_as_the_first_record_it_has_not_read_is_old
    what_was_not_looked_up_has_its_turn_with_the_next_question
}

async fn ask(house: &House, ages: &Ages, places: &[(LaneId, i64)]) -> Vec<Option<u64>> {
    let places: Vec<_> = places.iter().map(|(lane, offset)| (*lane, Offset(*offset))).collect();
    let found = still(ages.at(&house.log, &places)).await;
    found.into_iter().map(|age| age.map(|age| u64::try_from(age.as_millis()).unwrap())).collect()
}

async fn a_reader_is_as_late_as_the_first_record_it_has_not_read_is_old(mut house: House) {
    for tail_bytes_max in [64 << 20, 0] {
        house = house.reopened_with(Options { tail_bytes_max, ..Options::default() });
        let (name, ages) = (format!("s{tail_bytes_max}"), Ages::default());
        let lane = house.stream(&name, 1).await.lane(0);
        assert_eq!(ask(&house, &ages, &[(lane, 0)]).await, [Some(0)], "there is nothing to be read");
        house.put(lane, &["a", "b"]).await;
        tokio::time::advance(Duration::from_millis(300)).await;
        house.put(lane, &["c"]).await;
        tokio::time::advance(Duration::from_millis(50)).await;
        let nobody = LaneId { stream: shardgate::model::StreamId(uuid::Uuid::nil()), ..lane };
        let places = [(lane, 0), (lane, 1), (lane, 2), (lane, 3), (lane, 9), (nobody, 0), (lane, -1)];
        let expected = [Some(350), Some(350), Some(50), Some(0), Some(0), None, Some(350)];
        assert_eq!(ask(&house, &ages, &places).await, expected, "tail {tail_bytes_max}");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ask(&house, &ages, &places[..3]).await, [Some(351), Some(351), Some(51)]);
        // Records that are gone wait for nobody.
        tokio::time::advance(24 * HOUR - Duration::from_millis(60)).await;
        let left = Some(24 * 3_600_000 - 9);
        assert_eq!(ask(&house, &ages, &places[..3]).await, [left; 3]);
    }
}

async fn what_was_not_looked_up_has_its_turn_with_the_next_question(house: House) {
    let house = house.reopened_with(Options { tail_bytes_max: 0, ..Options::default() });
    let lane = house.stream("s", 1).await.lane(0);
    for value in 0..300 {
        house.put(lane, &[&value.to_string()]).await;
    }
    let (places, ages): (Vec<_>, _) = ((0..300).map(|offset| (lane, offset)).collect(), Ages::default());
    let known = |found: Vec<Option<u64>>| found.iter().filter(|age| age.is_some()).count();
    assert_eq!(known(ask(&house, &ages, &places).await), 256);
    assert_eq!(known(ask(&house, &ages, &places).await), 300);
    // What nobody asks for is forgotten.
    ask(&house, &ages, &[]).await;
    assert_eq!(known(ask(&house, &ages, &places).await), 256);
}
