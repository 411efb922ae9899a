using CsCheck;

namespace Moe.Training.Tests;

public sealed class ScheduleTests
{
    [Fact]
    public void A_constant_never_changes_and_a_number_is_one()
    {
        Schedule number = 0.25;

        foreach (var schedule in new[] { number, Schedule.Constant(0.25), Schedule.FromDouble(0.25) })
            new[] { schedule.At(0), schedule.At(7), schedule.At(long.MaxValue) }.Should().AllBeEquivalentTo(0.25);
    }

    [Fact]
    public void Paths_have_the_right_ends_and_middle_and_stay_at_their_end()
    {
        long[] steps = [0, 5, 10, 11, 1_000_000];

        steps.Select(Schedule.Linear(2, 8, 10).At).Should().Equal(new double[] { 2, 5, 8, 8, 8 }, Near);
        steps.Select(Schedule.Exponential(4, 1, 10).At).Should().Equal(new double[] { 4, 2, 1, 1, 1 }, Near);
        steps.Select(Schedule.Cosine(1, 0, 10).At).Should().Equal(new[] { 1, 0.5, 0, 0, 0 }, Near);
        Schedule.Cosine(1, 0, 4).At(1).Should().BeApproximately((1 + Math.Sqrt(0.5)) / 2, 1e-15);
    }

    [Fact]
    public void Stairs_hold_for_their_length_and_then_multiply() =>
        new long[] { 0, 2, 3, 5, 6 }.Select(Schedule.Stairs(8, 0.5, 3).At).Should().Equal(8, 8, 4, 4, 2);

    [Fact]
    public void Warm_up_rises_to_the_first_value_and_then_runs_the_schedule_from_its_start()
    {
        var schedule = Schedule.Linear(1, 0, 2).WarmUp(3);

        new long[] { 0, 1, 2, 3, 4, 5, 6 }.Select(schedule.At).Should().Equal(new[] { 0.25, 0.5, 0.75, 1, 0.5, 0, 0 }, Near);
        Schedule.Constant(3).WarmUp(0).At(0).Should().Be(3);
    }

    [Fact]
    public void The_value_depends_on_the_step_alone_and_lies_between_the_ends() =>
        Gen.Select(Gen.Double[0.1, 10], Gen.Double[0.1, 10], Gen.Long[1, 500], Gen.Long[0, 1000]).Sample((from, to, steps, step) =>
        {
            foreach (var make in new Func<Schedule>[]
                { () => Schedule.Linear(from, to, steps), () => Schedule.Exponential(from, to, steps), () => Schedule.Cosine(from, to, steps) })
            {
                var schedule = make();
                var value = schedule.At(step);
                schedule.At(0);
                schedule.At(step).Should().Be(value);
                make().At(step).Should().Be(value);
                value.Should().BeInRange(Math.Min(from, to) - 1e-9, Math.Max(from, to) + 1e-9);
            }
        }, iter: 200);

    [Fact]
    public void Bad_arguments_are_refused_when_it_is_made()
    {
        Refused(() => Schedule.Linear(1, 2, 0), "steps");
        Refused(() => Schedule.Cosine(1, 2, 0), "steps");
        Refused(() => Schedule.Exponential(1, 2, 0), "steps");
        Refused(() => Schedule.Exponential(0, 2, 1), "from");
        Refused(() => Schedule.Exponential(1, -2, 1), "to");
        Refused(() => Schedule.Stairs(1, 0.5, 0), "steps");
        Refused(() => Schedule.Constant(1).WarmUp(-1), "steps");
        FluentActions.Invoking(() => new Schedule(null!)).Should().Throw<ArgumentNullException>().WithParameterName("value");
        FluentActions.Invoking(() => Schedule.Constant(1).At(-1)).Should().Throw<ArgumentOutOfRangeException>().WithParameterName("step");
    }

    private static void Refused(Func<Schedule> make, string parameter) =>
        make.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(parameter);

    private static bool Near(double left, double right) => Math.Abs(left - right) < 1e-12;
}
