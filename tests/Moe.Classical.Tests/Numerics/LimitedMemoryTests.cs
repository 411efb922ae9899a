namespace Moe.Classical.Tests;

public sealed class LimitedMemoryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_last_change_of_the_gradient_is_turned_into_the_last_step(bool guess)
    {
        // Whatever was before it: the secant equation, of 14 steps on a quadratic of three unknowns, of which 10 are remembered.
        var memory = new LimitedMemory(guess ? vector => vector[0] *= 3 : null);
        double[] curvatures = [1, 4, 0.5];
        double[] from = [0, 0, 0], before = [0, 0, 0];
        for (var step = 0; step < 14; step++)
        {
            var to = RegressionCases.Numbers(3, step, -1, 1);
            var after = to.Zip(curvatures, (place, curvature) => place * curvature).ToArray();
            memory.Remember(from, to, before, after, 0);
            var (change, product) = (after.Zip(before, (left, right) => left - right).ToArray(), new double[3]);
            memory.Multiply(change, 1, product);
            for (var place = 0; place < 3; place++)
                product[place].Should().BeApproximately(to[place] - from[place], 1e-9);
            (from, before) = (to, after);
        }
    }

    [Fact]
    public void Steps_along_which_the_gradient_falls_are_not_remembered()
    {
        var memory = new LimitedMemory();
        memory.Remember([0], [1], [0], [-1], 0);
        memory.Remember([0], [1], [0], [0.01], 0.1);
        memory.IsEmpty.Should().BeTrue();
        var product = new double[1];
        memory.Multiply([3], 2, product);
        product.Should().Equal(6);
    }
}
