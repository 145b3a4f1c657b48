#include "tests/sim/named.h"

namespace pilotlight::sim {

const std::vector<Named>& AllNamed() {
  static const std::vector<Named> kAll = {
      {"FirstStart", "1 replicas=2 Wait(0)+40000ms"},
      {"FirstStartOfABadOne", "2 replicas=2 Edit(4)+40000ms"},
      {"RollingOfOne", "3 replicas=1 Wait(0)+40000ms Edit(1)+40000ms"},
      {"RollingOfFour", "4 replicas=4 Wait(0)+40000ms Edit(1)+40000ms Wait(0)+40000ms"},
      {"RollingWithoutSurge", "5 replicas=4 Strategy(2)+40000ms Edit(1)+40000ms Wait(0)+40000ms"},
      {"RollingByHalves", "6 replicas=4 Strategy(6)+40000ms Edit(1)+40000ms"},
      {"ThirdInTheMiddle", "7 replicas=4 Wait(0)+40000ms Edit(1)+12000ms Edit(2)+40000ms Wait(0)+40000ms"},
      {"EditBack", "8 replicas=3 Wait(0)+40000ms Edit(1)+12000ms Edit(0)+40000ms"},
      {"ThereAndBack", "9 replicas=2 Wait(0)+40000ms Edit(1)+40000ms Edit(0)+40000ms"},
      {"AbortByDeadline",
       "10 replicas=3 Deadline(1)+40000ms Edit(1)+5000ms Unfetchable(1)+40000ms Wait(0)+40000ms", true},
      {"AbortByRestarts", "11 replicas=3 Wait(0)+40000ms Edit(1)+5000ms Crashing(1)+40000ms Wait(0)+40000ms",
       true},
      {"AbortByUser", "12 replicas=4 MinReady(6)+40000ms Edit(1)+12000ms Abort(6)+40000ms", true},
      {"AbortAndRetry",
       "13 replicas=4 MinReady(6)+40000ms Edit(1)+5000ms Abort(6)+40000ms TakeAbortBack(0)+0ms "
       "Retry(0)+40000ms"},
      {"PausedAndScaled",
       "14 replicas=4 Wait(0)+40000ms Edit(1)+12000ms Pause(0)+2000ms Scale(2)+40000ms Resume(0)+40000ms"},
      {"ScaledUpInTheMiddle",
       "15 replicas=2 Wait(0)+40000ms Edit(1)+5000ms Scale(4)+40000ms Wait(0)+40000ms"},
      {"ScaledToZeroInTheMiddle",
       "16 replicas=3 Wait(0)+40000ms Edit(1)+12000ms Scale(0)+40000ms Scale(3)+40000ms Wait(0)+40000ms"},
      {"NoRoomThenRoom", "17 replicas=3 Room(1)+12000ms Edit(1)+40000ms Room(3)+40000ms Wait(0)+40000ms"},
      {"QuotaThenMore", "18 replicas=3 Quota(3)+12000ms Edit(1)+40000ms Quota(8)+40000ms Wait(0)+40000ms"},
      {"ImagesFail", "19 replicas=2 Wait(0)+40000ms Images(0)+0ms Edit(1)+40000ms Images(0)+40000ms"},
      {"BadProof", "20 replicas=3 Wait(0)+40000ms Edit(4)+40000ms"},
      {"BadThenGood", "21 replicas=2 Wait(0)+40000ms Edit(4)+5000ms Edit(1)+40000ms"},
      {"NodeLostInTheMiddle",
       "22 replicas=4 Wait(0)+40000ms Edit(1)+5000ms LoseNode(0)+40000ms ReturnNode(0)+40000ms "
       "Wait(0)+40000ms"},
      {"NodeDrained", "23 replicas=4 Wait(0)+40000ms DrainNode(0)+40000ms Uncordon(0)+40000ms"},
      {"StatusLost", "24 replicas=3 Wait(0)+40000ms Edit(1)+12000ms LoseStatus(0)+40000ms Wait(0)+40000ms"},
      {"DeletedAndRecreated",
       "25 replicas=2 Wait(0)+40000ms DeleteModel(0)+5000ms CreateModel(0)+40000ms Scale(2)+40000ms"},
      {"ServiceDeleted", "26 replicas=2 Wait(0)+40000ms Edit(1)+5000ms DeleteService(0)+40000ms"},
      {"ReplicaSetDeleted", "27 replicas=2 Wait(0)+40000ms DeleteReplicaSet(0)+40000ms"},
      {"SourceChanged", "28 replicas=2 Wait(0)+40000ms OtherBytes(0)+150ms DeletePod(0)+40000ms"},
      {"ReadyForAWhile", "29 replicas=3 MinReady(3)+40000ms Edit(1)+40000ms Wait(0)+40000ms"},
      {"AbortOfTheFirst", "763510 replicas=4 DeletePod(5)+0ms Scale(1)+2000ms Abort(6)+40000ms"},
      {"ReplicaSetUnseen", "959877 replicas=1 LoseEvent(2)+150ms Edit(1)+0ms", true},
      {"ConfigMapOfTheStableDeleted",
       "31 replicas=2 Wait(0)+40000ms Edit(4)+40000ms DeleteConfigMap(0)+0ms DeleteConfigMap(1)+0ms "
       "DeletePod(0)+40000ms"},
      {"TwoOperators", "30 replicas=2 SecondOperator(0)+40000ms Edit(1)+40000ms"},
  };
  return kAll;
}

}  // namespace pilotlight::sim
