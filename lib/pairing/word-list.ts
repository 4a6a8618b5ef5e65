/**
 * The 256 words of codes. Each is known by its first three letters, and no two are alike: at least three letters have to be changed, added or
 * left out to make one of another. Do not change their order or number: they are what codes are made of.
 */
export const CODE_WORDS: readonly string[] = (
  'acorn adobe alarm amber angel ankle apron arena aspen atlas attic awning badge baker banjo bench berry board ' +
  'breeze brush bubble bucket bumper button cabin camel cedar cello chalk circus clever coast coffee copper cousin ' +
  'cradle daisy dancer decade deer delta denim doctor domino donkey dragon dream driver eagle echo eclipse elbow ' +
  'elephant emerald engine equator evening express fabric farmer fiddle finger flower flute forest fossil friday ' +
  'frozen funnel furnace galaxy garden gentle geyser giant glove goblet gorilla grape guitar gull gypsum hamster ' +
  'harbor helmet hickory hidden hippo hobby holiday horizon hotel hunter husky iceberg igloo iguana indigo insect ' +
  'island italic ivory jaguar jasmine jewel jigsaw jolly jubilee juggler juniper jury kangaroo kayak kidney kingdom ' +
  'kitchen kiwi knight koala lagoon laptop legend lemon lentil lilac lime liquid lizard lotus lunar lynx mascot ' +
  'meadow mentor merlin metal mirror mitten mobile moment mosaic muffin museum napkin narrow nature navy nectar ' +
  'needle nephew nickel north nugget nutmeg oasis ocean octopus omelet onion opal opera orange orbit orchid otter ' +
  'oxygen pasta phone pizza plum poet polar poppy potato powder prince puppet purple quartz queen quilt rabbit ' +
  'raccoon radish railway random raven recipe ribbon romance rose round rubber rustic sauce simple sketch sleepy ' +
  'smooth snail snow soccer sofa sonnet spider stable symbol talent teapot tennis tinsel tornado tractor trumpet ' +
  'tulip tundra tuxedo twelve twig typhoon umbrella unicorn urban vacuum valley vanilla verse village vinegar ' +
  'violet viper vivid volcano voyage vulture waffle walnut wardrobe wealth wedding western whisper wildcat window ' +
  'wolf wombat woolen yacht yogurt zebra zenith zeppelin zigzag zinc zodiac zucchini'
).split(' ');
